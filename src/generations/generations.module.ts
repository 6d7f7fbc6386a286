import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { CastModule } from '../cast/cast.module.js';
import { ActiveGenerations } from './active-generations.js';
import { Gauges } from './gauges.js';
import { GenerationsService } from './generations.service.js';
import { Lifecycle } from './lifecycle.js';
import { Models } from './models.js';

@Module({
  imports: [AccessModule, CastModule],
  providers: [ActiveGenerations, Gauges, GenerationsService, Lifecycle, Models],
  exports: [Gauges, GenerationsService, Lifecycle, Models],
})
export class GenerationsModule {}
