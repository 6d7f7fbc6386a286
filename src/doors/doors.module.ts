import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { GenerationsModule } from '../generations/generations.module.js';
import { AiSdkController } from './ai-sdk/ai-sdk.controller.js';
import { Chats } from './ai-sdk/chats.js';
import { Delivery } from './delivery.js';
import { OllamaAnswers } from './ollama/ollama-answers.js';
import { OllamaController } from './ollama/ollama.controller.js';
import { OpenAiController } from './openai/openai.controller.js';
import { ChatCompletions } from './openai/chat-completions.js';
import { Responses } from './openai/responses.js';

@Module({
  imports: [AccessModule, GenerationsModule],
  controllers: [OpenAiController, OllamaController, AiSdkController],
  providers: [ChatCompletions, OllamaAnswers, Chats, Delivery, Responses],
})
export class DoorsModule {}
