import { Module } from '@nestjs/common';
import { CastModule } from '../cast/cast.module.js';
import { GenerationsModule } from '../generations/generations.module.js';
import { KnownModels } from './known-models.js';
import { LogLine } from './log-line.js';
import { MetricsController } from './metrics.controller.js';
import { MetricsService } from './metrics.service.js';

@Module({
  imports: [CastModule, GenerationsModule],
  providers: [KnownModels, LogLine, MetricsService],
  controllers: [MetricsController],
})
export class TelemetryModule {}
