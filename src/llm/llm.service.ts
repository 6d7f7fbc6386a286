import { Injectable } from '@nestjs/common';
import type { Response } from 'express';
import { map, type Observable } from 'rxjs';
import type { Caller } from '../access/caller.js';
import { CastService } from '../cast/cast.service.js';
import { Config } from '../config/config.js';
import { CastError } from '../protocol/errors.js';
import { type Accepted, startedOf } from '../generations/accepted.js';
import { type Asked, isAllowed } from '../generations/asked.js';
import { GenerationsService } from '../generations/generations.service.js';
import { Lifecycle } from '../generations/lifecycle.js';
import type {
  GenerationView,
  ModelList,
  QueueView,
  Started,
  Version,
} from '../protocol/answers.js';
import type { PullBody } from '../protocol/requests.js';
import { type ClientSocket, SocketGateway } from '../socket/socket.gateway.js';
import { EventStream } from './event-stream.js';
import { viewOf } from './view.js';

/** What REST can ask for: it starts generations on behalf of a connected Socket.IO client. */
@Injectable()
export class LlmService {
  constructor(
    private readonly cast: CastService,
    private readonly generations: GenerationsService,
    private readonly gateway: SocketGateway,
    private readonly lifecycle: Lifecycle,
    private readonly config: Config,
  ) {}

  /**
   * Starts a generation for a connected client, or for a caller that reads it by itself.
   * @throws CastError `client_not_found`, before anything is asked of an upstream; what
   * {@link GenerationsService.start} throws
   */
  async start(
    { clientId, ...asked }: Asked & { clientId?: string | undefined },
    caller: Caller,
    idempotencyKey: string | undefined,
  ): Promise<Started> {
    const client = clientId === undefined ? undefined : this.gateway.client(clientId);
    // Refuses a user who is not known before anything is started.
    this.gateway.audience(client, asked.audience);
    const accepted = await this.generations.start(asked, onBehalf(caller, client), idempotencyKey);
    for (const readers of this.gateway.audience(client, asked.audience)) {
      readers.read(accepted.generation, 0);
    }
    return answerTo(accepted, clientId);
  }

  /** Has a model pulled, with the progress as records. @throws CastError like {@link start} */
  async pull(
    { clientId, model }: PullBody,
    caller: Caller,
    idempotencyKey: string | undefined,
  ): Promise<Started> {
    const client = this.gateway.client(clientId);
    const accepted = await this.generations.pull(model, onBehalf(caller, client), idempotencyKey);
    client.data.readers.read(accepted.generation, 0);
    return answerTo(accepted, clientId);
  }

  version(): Observable<Version> {
    return this.cast.version().pipe(map((version) => ({ version })));
  }

  /** The models of all upstreams that a caller may name. */
  async models(): Promise<ModelList> {
    const { models } = await this.cast.models();
    const { ALLOWED_MODELS: allowed } = this.config;
    return {
      models: models.filter(({ name }) => allowed.length === 0 || isAllowed(name, allowed)),
    };
  }

  async queue(): Promise<QueueView> {
    return this.generations.queue();
  }

  /** @throws CastError `generation_not_found` */
  async view(id: string, caller: Caller): Promise<GenerationView> {
    return viewOf(await this.generations.get(id, caller, 'read'));
  }

  /** Answers when the upstream request is over. @throws CastError `generation_not_found` */
  async cancel(id: string, caller: Caller): Promise<GenerationView> {
    const generation = await this.generations.get(id, caller, 'cancel');
    await generation.cancel();
    return viewOf(generation);
  }

  /**
   * Streams the records as Server-Sent Events until the terminal one.
   * @param lastEventId the last record the caller has; the stream goes on behind it
   * @throws CastError `generation_not_found`, `invalid_request`
   */
  async events(
    id: string,
    caller: Caller,
    lastEventId: unknown,
    response: Response,
  ): Promise<void> {
    const generation = await this.generations.get(id, caller, 'read');
    const after = cursor(lastEventId);
    generation.checkCursor(after);
    // Keeps an EventSource that has everything from asking again.
    if (generation.log.end && after === generation.log.seq) {
      return void response.status(204).end();
    }
    const onSlow = (): void => this.lifecycle.tell('slowReader', 'sse');
    EventStream.open(response, this.config, generation, after, onSlow);
  }
}

/** A request for a connected client is that client's: its owner, and its turn in the line. */
function onBehalf(caller: Caller, client: ClientSocket | undefined): Caller {
  if (client === undefined) return caller;
  const { principal, turn } = client.data.caller;
  return { ...caller, principal, turn };
}

function answerTo(accepted: Accepted, clientId: string | undefined): Started {
  const { model } = accepted.generation;
  return { status: 'Streaming started', ...startedOf(accepted), clientId, model };
}

/** `Last-Event-ID` is the seq of a record. */
function cursor(lastEventId: unknown): number {
  if (lastEventId === undefined || lastEventId === '') return 0;
  if (typeof lastEventId === 'string' && /^\d{1,15}$/.test(lastEventId)) {
    return Number(lastEventId);
  }
  throw new CastError('invalid_request', {
    details: [{ path: 'Last-Event-ID', message: 'the seq of a record' }],
  });
}
