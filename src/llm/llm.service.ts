import { Injectable } from '@nestjs/common';
import type { Response } from 'express';
import { map, type Observable } from 'rxjs';
import { CastService } from '../cast/cast.service.js';
import { Config } from '../config/config.js';
import { CastError } from '../protocol/errors.js';
import { type Accepted, startedOf } from '../generations/accepted.js';
import { isAllowed } from '../generations/asked.js';
import { type Asked, GenerationsService } from '../generations/generations.service.js';
import type {
  GenerationView,
  ModelList,
  QueueView,
  Started,
  Version,
} from '../protocol/answers.js';
import type { PullBody } from '../protocol/requests.js';
import { callerOf, SocketGateway } from '../socket/socket.gateway.js';
import { EventStream } from './event-stream.js';

/** Where an HTTP request comes from, and what it says of itself. */
export interface Origin {
  /** Whose turn it is where no client is named. */
  address: string;
  idempotencyKey: string | undefined;
  requestId: string;
}

/** What REST can ask for: it starts generations on behalf of a connected Socket.IO client. */
@Injectable()
export class LlmService {
  constructor(
    private readonly cast: CastService,
    private readonly generations: GenerationsService,
    private readonly gateway: SocketGateway,
    private readonly config: Config,
  ) {}

  /**
   * Starts a generation for a connected client, or for a caller that reads it by itself.
   * @throws CastError `client_not_found`, before anything is asked of an upstream; what
   * {@link GenerationsService.start} throws
   */
  start(
    { clientId, ...asked }: Asked & { clientId?: string | undefined },
    origin: Origin,
  ): Started {
    const client = clientId === undefined ? undefined : this.gateway.client(clientId);
    const { user, turn } =
      client === undefined
        ? { user: undefined, turn: `address ${origin.address}` }
        : callerOf(client);
    const readers = this.gateway.audience(client, asked.audience);
    const accepted = this.generations.start(asked, { user, turn, ...origin });
    for (const reader of readers) reader.read(accepted.generation, 0);
    return answerTo(accepted, clientId);
  }

  /** Has a model pulled, with the progress as records. @throws CastError like {@link start} */
  pull({ clientId, model }: PullBody, origin: Origin): Started {
    const client = this.gateway.client(clientId);
    const { user, turn } = callerOf(client);
    const accepted = this.generations.pull(model, { user, turn, ...origin });
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

  queue(): QueueView {
    return this.generations.queue();
  }

  view(id: string): GenerationView {
    return this.generations.get(id).view();
  }

  /** Answers when the upstream request is over. */
  async cancel(id: string): Promise<GenerationView> {
    const generation = this.generations.get(id);
    await generation.cancel();
    return generation.view();
  }

  /**
   * Streams the records as Server-Sent Events until the terminal one.
   * @param lastEventId the last record the caller has; the stream goes on behind it
   * @throws CastError `generation_not_found`, `invalid_request`
   */
  events(id: string, lastEventId: string | undefined, response: Response): void {
    const generation = this.generations.get(id);
    const after = cursor(lastEventId);
    // Keeps an EventSource that has everything from asking again.
    if (generation.log.terminal && after >= generation.log.seq) {
      return void response.status(204).end();
    }
    generation.checkCursor(after);
    new EventStream(response, this.config).read(generation, after);
  }
}

function answerTo(accepted: Accepted, clientId: string | undefined): Started {
  const { model } = accepted.generation;
  return { status: 'Streaming started', ...startedOf(accepted), clientId, model };
}

/** `Last-Event-ID` is the seq of a record. */
function cursor(lastEventId: string | undefined): number {
  if (lastEventId === undefined || lastEventId === '') return 0;
  if (/^\d{1,15}$/.test(lastEventId)) return Number(lastEventId);
  throw new CastError('invalid_request', {
    details: [{ path: 'Last-Event-ID', message: 'the seq of a record' }],
  });
}
