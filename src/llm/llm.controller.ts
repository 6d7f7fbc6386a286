import { Body, Controller, Delete, Get, Headers, Param, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { Observable } from 'rxjs';
import { CastError } from '../errors.js';
import {
  chatBody,
  type ChatBody,
  generateBody,
  type GenerateBody,
  type GenerationView,
  idempotencyKey,
  type ModelList,
  type QueueView,
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
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Started {
    return located(this.llm.start({ ...body, endpoint: 'generate' }, origin(request)), response);
  }

  @Post('chat')
  chat(
    @Body({ schema: chatBody }) body: ChatBody,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Started {
    return located(this.llm.start({ ...body, endpoint: 'chat' }, origin(request)), response);
  }

  @Get('version')
  version(): Observable<Version> {
    return this.llm.version();
  }

  @Get('models')
  models(): Observable<ModelList> {
    return this.llm.models();
  }

  @Get('queue')
  queue(): QueueView {
    return this.llm.queue();
  }

  @Get('generations/:id')
  view(@Param('id') id: string): GenerationView {
    return this.llm.view(id);
  }

  @Get('generations/:id/events')
  events(
    @Param('id') id: string,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Res() response: Response,
  ): void {
    this.llm.events(id, lastEventId, response);
  }

  @Delete('generations/:id')
  cancel(@Param('id') id: string): Promise<GenerationView> {
    return this.llm.cancel(id);
  }
}

/** Whose turn it is where no client is named, and which request this is a retry of. */
function origin(request: Request): { address: string; idempotencyKey: string | undefined } {
  const key = idempotencyKey.optional().safeParse(request.get('idempotency-key'));
  if (!key.success) {
    throw new CastError('invalid_request', {
      details: [{ path: 'Idempotency-Key', message: '1 to 255 characters' }],
    });
  }
  return { address: request.ip ?? '', idempotencyKey: key.data };
}

/** 201 says where the new thing is (RFC 9110, section 15.3.2). */
function located(started: Started, response: Response): Started {
  response.location(`/llm/generations/${started.generationId}`);
  return started;
}
