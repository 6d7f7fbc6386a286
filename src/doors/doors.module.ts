import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { GenerationsModule } from '../generations/generations.module.js';
import { Delivery } from './delivery.js';
import { OpenAiController } from './openai/openai.controller.js';
import { ChatCompletions } from './openai/chat-completions.js';
import { Responses } from './openai/responses.js';

@Module({
  imports: [AccessModule, GenerationsModule],
  controllers: [OpenAiController],
  providers: [ChatCompletions, Delivery, Responses],
})
export class DoorsModule {}
