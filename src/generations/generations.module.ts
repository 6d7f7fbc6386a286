import { Module } from '@nestjs/common';
import { CastModule } from '../cast/cast.module.js';
import { GenerationsService } from './generations.service.js';

@Module({
  imports: [CastModule],
  providers: [GenerationsService],
  exports: [GenerationsService],
})
export class GenerationsModule {}
