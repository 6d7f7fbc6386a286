import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { CastModule } from '../cast/cast.module.js';
import { GenerationsModule } from '../generations/generations.module.js';
import { SocketModule } from '../socket/socket.module.js';
import { LlmController } from './llm.controller.js';
import { ShareController } from './share.controller.js';
import { LlmService } from './llm.service.js';

@Module({
  imports: [AccessModule, CastModule, GenerationsModule, SocketModule],
  controllers: [LlmController, ShareController],
  providers: [LlmService],
})
export class LlmModule {}
