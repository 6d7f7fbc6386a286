import { Module } from '@nestjs/common';
import { GenerationsModule } from '../generations/generations.module.js';
import { LogLine } from './log-line.js';

@Module({ imports: [GenerationsModule], providers: [LogLine] })
export class TelemetryModule {}
