import { Injectable } from '@nestjs/common';
import type { Response } from 'express';
import type { Observable } from 'rxjs';
import { CastService } from '../cast/cast.service.js';
import { Config } from '../config.js';
import { CastError } from '../errors.js';
import { type Asked, GenerationsService } from '../generations/generations.service.js';
import type { GenerationView, ModelList, QueueView, Started, Version } from '../protocol.js';
import { callerOf, SocketGateway } from '../socket/socket.gateway.js';
import { EventStream } from './event-stream.js';

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
   * @param origin for callers without a client: the address whose turn it is
   * @throws CastError `client_not_found`, before anything is asked of an upstream; what
   * {@link GenerationsService.start} throws
   */
  start(
    { clientId, ...asked }: Asked & { clientId?: string | undefined },
    origin: { address: string; idempotencyKey: string | undefined },
  ): Started {
    const client = clientId === undefined ? undefined : this.gateway.client(clientId);
    const caller =
      client === undefined
        ? { user: undefined, turn: `address ${origin.address}` }
        : callerOf(client);
    const { generation, deduplicated } = this.generations.start(asked, {
      ...caller,
      idempotencyKey: origin.idempotencyKey,
    });
    client?.data.readers.read(generation, 0);
    const { position } = generation.status;
    return {
      status: 'Streaming started',
      generationId: generation.id,
      clientId,
      model: generation.model,
      state: generation.state,
      ...(position !== undefined && { position }),
      ...(deduplicated && { deduplicated }),
    };
  }

  version(): Observable<Version> {
    return this.cast.version();
  }

  models(): Observable<ModelList> {
    return this.cast.models();
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
    generation.checkCursor(after);
    if (generation.log.terminal && after >= generation.log.seq)
      return void response.status(204).end();
    new EventStream(response, this.config).read(generation, after);
  }
}

/** `Last-Event-ID` is the seq of a record. */
function cursor(lastEventId: string | undefined): number {
  if (lastEventId === undefined || lastEventId === '') return 0;
  if (/^\d{1,15}$/.test(lastEventId)) return Number(lastEventId);
  throw new CastError('invalid_request', {
    details: [{ path: 'Last-Event-ID', message: 'the seq of a record' }],
  });
}
