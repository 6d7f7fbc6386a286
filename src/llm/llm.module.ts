import { Module } from '@nestjs/common';
import { CastModule } from '../cast/cast.module.js';
import { GenerationsModule } from '../generations/generations.module.js';
import { SocketModule } from '../socket/socket.module.js';
import { LlmController } from './llm.controller.js';
import { LlmService } from './llm.service.js';

@Module({
  imports: [CastModule, GenerationsModule, SocketModule],
  controllers: [LlmController],
  providers: [LlmService],
})
export class LlmModule {}
