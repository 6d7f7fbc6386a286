import { Injectable } from '@nestjs/common';
import type { Response } from 'express';
import { actingFor, callerAs } from '../access/acting.js';
import { Audit } from '../access/audit.js';
import { authorise } from '../access/authorise.js';
import type { Caller } from '../access/caller.js';
import { Sessions } from '../access/sessions.js';
import { Config } from '../config/config.js';
import { CastError } from '../protocol/errors.js';
import { type Accepted, startedOf } from '../generations/accepted.js';
import type { Asked } from '../generations/asked.js';
import type { Generation } from '../generations/generation.js';
import { GenerationsService } from '../generations/generations.service.js';
import { Lifecycle } from '../generations/lifecycle.js';
import { Peers } from '../generations/peers.js';
import type { QueueView, Started } from '../protocol/answers.js';
import type { PullBody } from '../protocol/requests.js';
import { StreamedResponse } from '../http/streamed-response.js';
import { Audience } from '../socket/audience.js';
import { SocketGateway } from '../socket/socket.gateway.js';
import type { SocketReaders } from '../socket/socket-readers.js';
import { recordStream } from './record-stream.js';
import { sendView } from './view.js';

/** The caller, and where it asks from. */
export interface From {
  caller: Caller;
  address: string;
}

type AskedOverRest = Asked & { clientId?: string | undefined };

/** What a node sends to that of the client. */
interface Forwarded<Body> {
  asked: Body;
  from: From;
  key: string | undefined;
}

const NEEDS_READER = {
  path: 'clientId',
  message: 'required, unless onDisconnect is "keep", or the answer is taken as text/event-stream',
};

/** What REST can ask for: it starts generations on behalf of a connected Socket.IO client. */
@Injectable()
export class LlmService {
  constructor(
    private readonly generations: GenerationsService,
    private readonly gateway: SocketGateway,
    private readonly audience: Audience,
    private readonly lifecycle: Lifecycle,
    private readonly sessions: Sessions,
    private readonly audit: Audit,
    private readonly peers: Peers,
    private readonly config: Config,
  ) {
    // Objects: in a list JSON makes `null` of an idempotency key that is not there.
    peers.on('start', (message) => {
      const { asked, from, key } = message as Forwarded<AskedOverRest>;
      return this.start(asked, from, key);
    });
    peers.on('pull', (message) => {
      const { asked, from, key } = message as Forwarded<PullBody>;
      return this.pull(asked, from, key);
    });
  }

  /**
   * Starts a generation for a connected client, or for a caller that reads it by itself.
   * @throws CastError `invalid_request` where nobody would read it; what {@link accept} throws
   */
  async start(asked: AskedOverRest, from: From, key: string | undefined): Promise<Started> {
    const { clientId, onDisconnect } = asked;
    if (clientId === undefined && onDisconnect !== 'keep') {
      throw new CastError('invalid_request', { details: [NEEDS_READER] });
    }
    // The node of the client makes the answer: its tokens need not cross to another one.
    const node = clientId === undefined ? undefined : this.peers.nodeOf(clientId);
    if (node !== undefined)
      return (await this.peers.ask(node, 'start', { asked, from, key })) as Started;
    return answerTo(await this.accept(asked, from, key), clientId);
  }

  /**
   * Starts a generation and streams its records in the same response, as {@link events} does. Where
   * a client is named, they go to it too.
   * @throws CastError what {@link accept} throws
   */
  async startStream(
    asked: AskedOverRest,
    from: From,
    key: string | undefined,
    response: Response,
  ): Promise<void> {
    const { clientId } = asked;
    const isElsewhere = clientId !== undefined && this.peers.nodeOf(clientId) !== undefined;
    // It is answered with what it has started, which needs no more than the right to start.
    const generation = isElsewhere
      ? await this.generations.get(
          (await this.start(asked, from, key)).generationId,
          from.caller,
          'start',
        )
      : (await this.accept(asked, from, key)).generation;
    response.setHeader('Location', `${this.config.BASE_PATH}/llm/generations/${generation.id}`);
    this.stream(generation, 0, response, from.caller);
  }

  /**
   * @throws CastError `client_not_found`, before anything is asked of an upstream; what
   * {@link GenerationsService.start} throws
   */
  private async accept(
    { clientId, userId, ...asked }: AskedOverRest,
    from: From,
    idempotencyKey: string | undefined,
  ): Promise<Accepted> {
    const { caller, readers } = this.audit.decide(from.caller, 'start', () => {
      const behalf = this.onBehalf('start', from, clientId, userId);
      // Refuses a user who is not known before anything is started.
      this.audience.check(behalf.caller, asked.audience);
      return behalf;
    });
    const accepted = await this.generations.start(asked, caller, idempotencyKey);
    this.audience.show(accepted.generation, caller, readers, asked.audience);
    return accepted;
  }

  /** Has a model pulled, with the progress as records. @throws CastError like {@link start} */
  async pull(
    { clientId, model }: PullBody,
    from: From,
    idempotencyKey: string | undefined,
  ): Promise<Started> {
    const node = this.peers.nodeOf(clientId);
    if (node !== undefined) {
      return (await this.peers.ask(node, 'pull', {
        asked: { clientId, model },
        from,
        key: idempotencyKey,
      })) as Started;
    }
    const { caller, readers } = this.audit.decide(from.caller, 'pull', () =>
      this.onBehalf('pull', from, clientId, undefined),
    );
    const accepted = await this.generations.pull(model, caller, idempotencyKey);
    readers?.read(accepted.generation, 0);
    return answerTo(accepted, clientId);
  }

  async queue(caller: Caller): Promise<QueueView> {
    this.audit.authorise(caller, 'list');
    return this.generations.queue();
  }

  /** Answers with the generation as it is now. @throws CastError `generation_not_found` */
  async view(id: string, caller: Caller, response: Response): Promise<void> {
    await sendView(await this.generations.get(id, caller, 'read'), response);
  }

  /** Answers when the upstream request is over. @throws CastError `generation_not_found` */
  async cancel(id: string, caller: Caller, response: Response): Promise<void> {
    const generation = await this.generations.get(id, caller, 'cancel');
    await generation.cancel();
    await sendView(generation, response);
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
    const after = cursor(lastEventId);
    const generation = await this.generations.readAfter('sse', id, caller, after);
    // Keeps an EventSource that has everything from asking again.
    if (generation.log.end && after === generation.log.seq) {
      return void response.status(204).end();
    }
    this.stream(generation, after, response, caller);
  }

  /** Until the terminal record, or until the caller's credential is no longer good. */
  private stream(generation: Generation, after: number, response: Response, caller: Caller): void {
    const onSlow = (): void => this.lifecycle.tell('slowReader', 'sse');
    const wording = recordStream(generation);
    const stream = StreamedResponse.open(response, this.config, generation, after, wording, onSlow);
    const session = this.sessions.start(caller.principal, (reason) => stream?.break(reason));
    response.once('close', () => session.end());
    if (response.destroyed || response.closed) session.end();
  }

  /**
   * A request for a connected client is that client's: its owner, and its turn in the line. The caller
   * itself must have the right, too; whether the client has it is asked with the start.
   * @throws CastError `forbidden`, `client_not_found`
   */
  private onBehalf(
    verb: 'start' | 'pull',
    { caller, address }: From,
    clientId: string | undefined,
    userId: string | undefined,
  ): { caller: Caller; readers: SocketReaders | undefined } {
    const acting = callerAs(caller, actingFor(caller.principal, userId));
    if (clientId === undefined) return { caller: acting, readers: undefined };
    authorise(caller.principal, verb);
    const client = this.gateway.client(clientId, acting, address);
    return {
      caller: callerOfClient(acting, client.data.caller),
      readers: client.data.readers,
    };
  }
}

/**
 * The caller that a request for a client counts for: who asks with a credential keeps what that allows.
 * A backend's key acts for the client's user.
 */
function callerOfClient(asking: Caller, client: Caller): Caller {
  const { principal } = asking;
  if (principal.kind === 'key' && client.principal.kind === 'user') {
    return callerAs(asking, { ...principal, userId: client.principal.sub });
  }
  if (principal.kind === 'user') return asking;
  return { ...asking, principal: client.principal, turn: client.turn };
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
