import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  Param,
  Post,
  Query,
  Req,
  Res,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import type { Observable } from 'rxjs';
import { Config } from '../config/config.js';
import { callerOf } from '../http/authenticate.js';
import { idempotencyKeyOf } from '../http/idempotency-key.js';
import { Route } from '../http/open-api.js';
import {
  generationView,
  modelList,
  type ModelList,
  queueView,
  type QueueView,
  started,
  type Started,
  version,
  type Version,
} from '../protocol/answers.js';
import { errorCode } from '../protocol/errors.js';
import { generationId, idempotencyKey, lastEventId } from '../protocol/ids.js';
import { streamRecord } from '../protocol/records.js';
import {
  chatBody,
  type ChatBody,
  generateBody,
  type GenerateBody,
  pullBody,
  type PullBody,
} from '../protocol/requests.js';
import { Models } from '../generations/models.js';
import { type From, LlmService } from './llm.service.js';

/** What an answer of the upstream can turn into, where it is no generation's. */
const FROM_UPSTREAM = [
  ...errorCode.options.filter((code) => code.startsWith('upstream_')),
  ...(['first_byte_timeout', 'idle_timeout', 'line_too_long', 'bad_content_type'] as const),
];
/** What every route that starts a generation has in common. */
const STARTING = {
  parameters: { 'Idempotency-Key': idempotencyKey },
  answers: { 201: started },
  refuses: [
    'client_not_found',
    // The key of a generation that is no longer kept.
    'generation_not_found',
    'idempotency_conflict',
    'quota_exceeded',
    'queue_full',
    'shutting_down',
    'store_unavailable',
  ],
} as const;

/** A route that starts a generation and can stream it in its own answer. */
const STREAMING = {
  description:
    'With `Accept: text/event-stream` the answer is the stream of its records, as that of ' +
    '`GET /llm/generations/{id}/events`; `Location` says where the generation is.',
  streams: streamRecord,
} as const;

/** The REST routes; every decision is made below. */
@Controller('llm')
export class LlmController {
  constructor(
    private readonly llm: LlmService,
    private readonly listed: Models,
    private readonly config: Config,
  ) {}

  @Post('generate')
  @Route({ summary: 'Start a generation from a prompt', ...STARTING, ...STREAMING })
  generate(
    @Body({ schema: generateBody }) body: GenerateBody,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    return this.start({ endpoint: 'generate', ...body }, request, response);
  }

  @Post('chat')
  @Route({ summary: 'Start the next message of a conversation', ...STARTING, ...STREAMING })
  chat(
    @Body({ schema: chatBody }) body: ChatBody,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    return this.start({ endpoint: 'chat', ...body }, request, response);
  }

  @Post('models/pull')
  @Route({
    summary: 'Have Ollama pull a model',
    description: 'Only where the operator allows it (`ALLOW_PULL`). The records are the progress.',
    ...STARTING,
    // It takes no tokens.
    refuses: STARTING.refuses.filter((code) => code !== 'quota_exceeded'),
  })
  pull(
    @Body({ schema: pullBody }) body: PullBody,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Started> {
    return this.located(this.llm.pull(body, ...asking(request)), response);
  }

  @Get('version')
  @Route({
    summary: 'Version of the upstream',
    answers: { 200: version },
    refuses: FROM_UPSTREAM,
  })
  version(@Req() request: Request): Observable<Version> {
    return this.listed.version(callerOf(request));
  }

  @Get('models')
  @Route({
    summary: 'Models of all upstreams',
    answers: { 200: modelList },
    refuses: FROM_UPSTREAM,
  })
  models(@Req() request: Request): Promise<ModelList> {
    return this.listed.list(callerOf(request));
  }

  @Get('queue')
  @Route({
    summary: 'How many generations run and wait',
    answers: { 200: queueView },
    refuses: ['store_unavailable'],
  })
  queue(@Req() request: Request): Promise<QueueView> {
    return this.llm.queue(callerOf(request));
  }

  @Get('generations/:id')
  @Route({
    summary: 'A generation as it is now',
    parameters: { id: generationId },
    answers: { 200: generationView },
    refuses: ['generation_not_found', 'store_unavailable'],
  })
  view(@Param('id') id: string, @Req() request: Request, @Res() response: Response): Promise<void> {
    return this.llm.view(id, callerOf(request), response);
  }

  @Get('generations/:id/events')
  @Route({
    summary: 'The records of a generation as Server-Sent Events',
    description:
      '`id:` is the seq and `data:` the record, under no event name. The stream ends after the ' +
      'terminal record; who has that one already gets 204, which keeps `EventSource` from asking again.',
    parameters: { id: generationId, 'Last-Event-ID': lastEventId },
    query: { lastEventId },
    answers: { 200: streamRecord, 204: null },
    produces: 'text/event-stream',
    refuses: ['generation_not_found', 'invalid_request', 'store_unavailable'],
  })
  events(
    @Param('id') id: string,
    @Headers('last-event-id') lastEventId: string | undefined,
    // A polyfill of EventSource says it here: a header of its own would need a preflight.
    @Query('lastEventId') inQuery: unknown,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    return this.llm.events(id, callerOf(request), lastEventId || inQuery, response);
  }

  @Delete('generations/:id')
  @Route({
    summary: 'Cancel a generation',
    description:
      'Answers when the upstream request is over, with the same however often it is asked.',
    parameters: { id: generationId },
    answers: { 200: generationView },
    refuses: ['generation_not_found', 'store_unavailable'],
  })
  cancel(
    @Param('id') id: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    return this.llm.cancel(id, callerOf(request), response);
  }

  /** 201 says where the new thing is (RFC 9110, section 15.3.2). */
  private async located(starting: Promise<Started>, response: Response): Promise<Started> {
    const started = await starting;
    response.setHeader(
      'Location',
      `${this.config.BASE_PATH}/llm/generations/${started.generationId}`,
    );
    return started;
  }

  /** Answers as the caller likes it: with a note that it has started, or with its records. */
  private async start(
    asked: Parameters<LlmService['start']>[0],
    request: Request,
    response: Response,
  ): Promise<void> {
    response.vary('Accept');
    if (request.accepts('json', 'text/event-stream') === 'text/event-stream') {
      return this.llm.startStream(asked, ...asking(request), response);
    }
    const started = await this.located(this.llm.start(asked, ...asking(request)), response);
    response.status(201).json(started);
  }
}

/** The caller, and the idempotency key that it sent. @throws CastError `invalid_request` */
function asking(request: Request): [From, string | undefined] {
  return [{ caller: callerOf(request), address: request.ip ?? '' }, idempotencyKeyOf(request)];
}
