import { UseFilters, UsePipes } from '@nestjs/common';
import {
  Ack,
  ConnectedSocket,
  MessageBody,
  type OnGatewayConnection,
  type OnGatewayDisconnect,
  type OnGatewayInit,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
} from '@nestjs/websockets';
import type { Namespace, Socket } from 'socket.io';
import { type Caller, traceOf } from '../access/caller.js';
import { claimedPrincipal, ownerOf } from '../access/principal.js';
import { claimedUser } from '../access/user-id.js';
import { Config } from '../config/config.js';
import { validation } from '../http/validation.js';
import { CastError } from '../protocol/errors.js';
import { SocketErrorFilter } from './socket-error-filter.js';
import { startedOf } from '../generations/accepted.js';
import type { Asked } from '../generations/asked.js';
import { GenerationsService } from '../generations/generations.service.js';
import { Lifecycle } from '../generations/lifecycle.js';
import {
  chatRequest,
  type ChatRequest,
  generateRequest,
  type GenerateRequest,
  generationRef,
  type GenerationRef,
  joinRequest,
  type JoinRequest,
  sendMessageRequest,
  type SendMessageRequest,
} from '../protocol/requests.js';
import {
  type Ack as AckOf,
  clientEvents,
  type ClientToServerEvents,
  type ServerToClientEvents,
  type StartedAck,
} from '../protocol/socket-events.js';
import { type GenerationState } from '../protocol/stream-state.js';
import { SocketReaders } from './socket-readers.js';

type NoServerEvents = Record<string, never>;
interface SocketData {
  caller: Caller;
  readers: SocketReaders;
}
export type ClientSocket = Socket<
  ClientToServerEvents,
  ServerToClientEvents,
  NoServerEvents,
  SocketData
>;
/** The namespace `/events`. */
export type Clients = Namespace<
  ClientToServerEvents,
  ServerToClientEvents,
  NoServerEvents,
  SocketData
>;
/**
 * The socket's door: takes requests, and turns log readers into emits. A request is answered through
 * its ack before the socket reads the generation, so no record can come before the ack.
 */
@WebSocketGateway({ namespace: 'events' })
@UsePipes(validation)
@UseFilters(SocketErrorFilter)
export class SocketGateway implements OnGatewayInit, OnGatewayConnection, OnGatewayDisconnect {
  @WebSocketServer()
  private readonly clients!: Clients;

  /** The connected sockets of each known user. */
  private readonly ofUsers = new Map<string, Set<ClientSocket>>();

  constructor(
    private readonly generations: GenerationsService,
    private readonly lifecycle: Lifecycle,
    private readonly config: Config,
  ) {}

  /** Who a client is, is settled before it is connected. */
  afterInit(clients: Clients): void {
    clients.use((socket, next) => {
      try {
        socket.data.caller = callerOf(socket, this.config);
        next();
      } catch (error) {
        next(handshakeRefusal(error));
      }
    });
  }

  async handleConnection(socket: ClientSocket): Promise<void> {
    const { caller } = socket.data;
    socket.data.readers = new SocketReaders(socket, {
      bufferBytes: this.config.SOCKET_BUFFER_BYTES,
      slowMs: this.config.SLOW_READER_MS,
      onSlow: () => this.lifecycle.tell('slowReader', 'socket'),
    });
    this.remember(socket);
    socket.onAny((event: string, ...args: unknown[]) => answerUnknown(socket, event, args));
    // A new tab or device hears what goes on, and may join.
    for (const status of await this.generations.activeOf(caller))
      socket.emit('streamState', status);
  }

  handleDisconnect(socket: ClientSocket): void {
    socket.data.readers.close();
    const user = ownerOf(socket.data.caller.principal);
    if (user === undefined) return;
    const sockets = this.ofUsers.get(user);
    sockets?.delete(socket);
    if (sockets?.size === 0) this.ofUsers.delete(user);
  }

  /** The connected client with this Socket.IO id. @throws CastError `client_not_found` */
  client(clientId: string): ClientSocket {
    const socket = this.clients.sockets.get(clientId);
    if (socket === undefined) throw new CastError('client_not_found');
    return socket;
  }

  /**
   * What the records of a request go to now: the asking socket, or every socket of its user.
   * @throws CastError `forbidden` where the user is not known
   */
  audience(asking: ClientSocket | undefined, audience: 'user' | undefined): SocketReaders[] {
    if (audience === undefined) return asking === undefined ? [] : [asking.data.readers];
    const user = asking === undefined ? undefined : ownerOf(asking.data.caller.principal);
    if (user === undefined) throw new CastError('forbidden', NOT_THAT_USER);
    return [...(this.ofUsers.get(user) ?? [])].map(({ data }) => data.readers);
  }

  @SubscribeMessage('generate')
  async generate(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: generateRequest }) request: GenerateRequest,
    @Ack() ack?: AckOf<StartedAck>,
  ): Promise<void> {
    const { idempotencyKey, ...fields } = request;
    await this.start(socket, { endpoint: 'generate', ...fields }, idempotencyKey, ack);
  }

  @SubscribeMessage('chat')
  async chat(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: chatRequest }) request: ChatRequest,
    @Ack() ack?: AckOf<StartedAck>,
  ): Promise<void> {
    const { idempotencyKey, ...fields } = request;
    await this.start(socket, { endpoint: 'chat', ...fields }, idempotencyKey, ack);
  }

  /** The second known shape: a front end that sends a user text and a system text. */
  @SubscribeMessage('send_message')
  async sendMessage(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: sendMessageRequest }) request: SendMessageRequest,
    @Ack() ack?: AckOf<StartedAck>,
  ): Promise<void> {
    const { user_id, user_content, system_content, temperature, idempotencyKey } = request;
    const { principal } = socket.data.caller;
    if (principal.kind !== 'user' || principal.sub !== user_id) {
      throw new CastError('forbidden', NOT_THAT_USER);
    }
    const user = { role: 'user' as const, content: user_content };
    const messages =
      system_content === undefined
        ? [user]
        : [{ role: 'system' as const, content: system_content }, user];
    const options = temperature === undefined ? {} : { temperature };
    await this.start(
      socket,
      { endpoint: 'chat', messages, options, audience: 'user' },
      idempotencyKey,
      ack,
    );
  }

  @SubscribeMessage('join')
  async join(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: joinRequest }) { generationId, after }: JoinRequest,
    @Ack() ack?: AckOf<{ state: GenerationState; seq: number }>,
  ): Promise<void> {
    const generation = await this.generations.get(generationId, socket.data.caller, 'read');
    generation.checkCursor(after);
    ack?.({ ok: true, state: generation.state, seq: generation.log.seq });
    socket.data.readers.read(generation, after);
  }

  @SubscribeMessage('leave')
  async leave(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: generationRef }) { generationId }: GenerationRef,
    @Ack() ack?: AckOf<object>,
  ): Promise<void> {
    await this.generations.get(generationId, socket.data.caller, 'read');
    socket.data.readers.leave(generationId);
    ack?.({ ok: true });
  }

  @SubscribeMessage('cancel')
  async cancel(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: generationRef }) { generationId }: GenerationRef,
    @Ack() ack?: AckOf<{ state: GenerationState; seq: number }>,
  ): Promise<void> {
    const generation = await this.generations.get(generationId, socket.data.caller, 'cancel');
    const { said, seq } = await generation.cancel();
    ack?.({ ok: true, state: said.state, seq });
  }

  private async start(
    socket: ClientSocket,
    asked: Asked,
    idempotencyKey: string | undefined,
    ack?: AckOf<StartedAck>,
  ): Promise<void> {
    // Refuses a user who is not known before anything is started.
    this.audience(socket, asked.audience);
    const accepted = await this.generations.start(asked, socket.data.caller, idempotencyKey);
    ack?.({ ok: true, ...startedOf(accepted) });
    for (const readers of this.audience(socket, asked.audience)) {
      readers.read(accepted.generation, 0);
    }
  }

  private remember(socket: ClientSocket): void {
    const user = ownerOf(socket.data.caller.principal);
    if (user === undefined) return;
    const sockets = this.ofUsers.get(user) ?? new Set();
    this.ofUsers.set(user, sockets.add(socket));
  }
}

const NOT_THAT_USER = { message: 'This socket is not known to be of that user; see auth.userId.' };

/**
 * Who asks through this socket: its user where that is known, otherwise the socket itself.
 * @throws CastError `forbidden`, `invalid_request` for a user id that is not believed, or is none
 */
function callerOf({ id, handshake }: ClientSocket, config: Config): Caller {
  const user = claimedUser(handshake, config);
  const who =
    user === undefined
      ? { principal: { kind: 'socket' as const }, turn: `socket ${id}` }
      : { principal: claimedPrincipal(user), turn: `user ${user}` };
  return { ...who, requestId: undefined, trace: traceOf(handshake.headers['traceparent']) };
}

/** An event that does not exist would otherwise wait for its ack for ever. */
function answerUnknown(socket: ClientSocket, event: string, args: unknown[]): void {
  if (Object.hasOwn(clientEvents, event)) return;
  const error = new CastError('not_found', { message: 'There is no such event.' }).refusal();
  const ack = args.at(-1);
  if (typeof ack === 'function') ack({ ok: false, error });
  else socket.emit('exception', error);
}

/** Socket.IO hands `data` of a handshake's error to the client's `connect_error`. */
function handshakeRefusal(error: unknown): Error {
  const refused = error instanceof CastError ? error : new CastError('internal');
  return Object.assign(new Error(refused.message), { data: refused.refusal() });
}
