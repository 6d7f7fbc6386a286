import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { CastModule } from '../cast/cast.module.js';
import { GenerationsModule } from '../generations/generations.module.js';
import { KnownModels } from './known-models.js';
import { LogLine } from './log-line.js';
import { MetricsController } from './metrics.controller.js';
import { MetricsService } from './metrics.service.js';
import { TracesService } from './traces.service.js';

@Module({
  imports: [AccessModule, CastModule, GenerationsModule],
  providers: [KnownModels, LogLine, MetricsService, TracesService],
  controllers: [MetricsController],
})
export class TelemetryModule {}
