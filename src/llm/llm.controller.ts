import { Body, Controller, Delete, Get, Param, Post, Res } from '@nestjs/common';
import type { Response } from 'express';
import type { Observable } from 'rxjs';
import {
  chatBody,
  type ChatBody,
  generateBody,
  type GenerateBody,
  type GenerationView,
  type ModelList,
  type Started,
  type Version,
} from '../protocol.js';
import { LlmService } from './llm.service.js';

/** The REST routes; every decision is made below. */
@Controller('llm')
export class LlmController {
  constructor(private readonly llm: LlmService) {}

  @Post('generate')
  generate(
    @Body({ schema: generateBody }) body: GenerateBody,
    @Res({ passthrough: true }) response: Response,
  ): Started {
    return located(this.llm.generate(body), response);
  }

  @Post('chat')
  chat(
    @Body({ schema: chatBody }) body: ChatBody,
    @Res({ passthrough: true }) response: Response,
  ): Started {
    return located(this.llm.chat(body), response);
  }

  @Get('version')
  version(): Observable<Version> {
    return this.llm.version();
  }

  @Get('models')
  models(): Observable<ModelList> {
    return this.llm.models();
  }

  @Get('generations/:id')
  view(@Param('id') id: string): GenerationView {
    return this.llm.view(id);
  }

  @Delete('generations/:id')
  cancel(@Param('id') id: string): Promise<GenerationView> {
    return this.llm.cancel(id);
  }
}

/** 201 says where the new thing is (RFC 9110, section 15.3.2). */
function located(started: Started, response: Response): Started {
  response.location(`/llm/generations/${started.generationId}`);
  return started;
}
