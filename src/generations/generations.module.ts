import { Module } from '@nestjs/common';
import { CastModule } from '../cast/cast.module.js';
import { GenerationsService } from './generations.service.js';
import { Lifecycle } from './lifecycle.js';

@Module({
  imports: [CastModule],
  providers: [GenerationsService, Lifecycle],
  exports: [GenerationsService, Lifecycle],
})
export class GenerationsModule {}
