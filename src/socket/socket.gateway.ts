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
import { userOf } from '../access/user-id.js';
import { Config } from '../config/config.js';
import { validation } from '../http/validation.js';
import { CastError } from '../protocol/errors.js';
import { SocketErrorFilter } from './socket-error-filter.js';
import { startedOf } from '../generations/accepted.js';
import { type Asked, type Caller, GenerationsService } from '../generations/generations.service.js';
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
  /** Whose socket it is, where that is known. */
  user: string | undefined;
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

  constructor(
    private readonly generations: GenerationsService,
    private readonly config: Config,
  ) {}

  /** Who a client is, is settled before it is connected. */
  afterInit(clients: Clients): void {
    clients.use((socket, next) => {
      try {
        socket.data.user = userOf(socket.handshake, this.config);
        next();
      } catch (error) {
        next(handshakeRefusal(error));
      }
    });
  }

  handleConnection(socket: ClientSocket): void {
    const { SOCKET_BUFFER_BYTES, SLOW_READER_MS } = this.config;
    const { user } = socket.data;
    socket.data.readers = new SocketReaders(socket, SOCKET_BUFFER_BYTES, SLOW_READER_MS);
    socket.onAny((event: string, ...args: unknown[]) => answerUnknown(socket, event, args));
    // A new tab or device hears what goes on, and may join.
    for (const { status } of this.generations.activeOf(user)) socket.emit('streamState', status);
  }

  handleDisconnect(socket: ClientSocket): void {
    socket.data.readers.close();
  }

  /** The connected client with this Socket.IO id. @throws CastError `client_not_found` */
  client(clientId: string): ClientSocket {
    const socket = this.clients.sockets.get(clientId);
    if (socket === undefined) throw new CastError('client_not_found');
    return socket;
  }

  /**
   * What the records of a request go to: the asking socket, or every socket of its user.
   * @throws CastError `forbidden` where the user is not known
   */
  audience(asking: ClientSocket | undefined, audience: 'user' | undefined): SocketReaders[] {
    if (audience === undefined) return asking === undefined ? [] : [asking.data.readers];
    const user = asking?.data.user;
    if (user === undefined) throw new CastError('forbidden', NOT_THAT_USER);
    return [...this.clients.sockets.values()]
      .filter(({ data }) => data.user === user)
      .map(({ data }) => data.readers);
  }

  @SubscribeMessage('generate')
  generate(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: generateRequest }) request: GenerateRequest,
    @Ack() ack?: AckOf<StartedAck>,
  ): void {
    const { idempotencyKey, ...fields } = request;
    this.start(socket, { endpoint: 'generate', ...fields }, idempotencyKey, ack);
  }

  @SubscribeMessage('chat')
  chat(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: chatRequest }) request: ChatRequest,
    @Ack() ack?: AckOf<StartedAck>,
  ): void {
    const { idempotencyKey, ...fields } = request;
    this.start(socket, { endpoint: 'chat', ...fields }, idempotencyKey, ack);
  }

  /** The second known shape: a front end that sends a user text and a system text. */
  @SubscribeMessage('send_message')
  sendMessage(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: sendMessageRequest }) request: SendMessageRequest,
    @Ack() ack?: AckOf<StartedAck>,
  ): void {
    const { user_id, user_content, system_content, temperature, idempotencyKey } = request;
    if (user_id !== socket.data.user) throw new CastError('forbidden', NOT_THAT_USER);
    const user = { role: 'user' as const, content: user_content };
    const messages =
      system_content === undefined
        ? [user]
        : [{ role: 'system' as const, content: system_content }, user];
    const options = temperature === undefined ? {} : { temperature };
    this.start(
      socket,
      { endpoint: 'chat', messages, options, audience: 'user' },
      idempotencyKey,
      ack,
    );
  }

  @SubscribeMessage('join')
  join(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: joinRequest }) { generationId, after }: JoinRequest,
    @Ack() ack?: AckOf<{ state: GenerationState; seq: number }>,
  ): void {
    const generation = this.generations.getFor(socket.data.user, generationId);
    generation.checkCursor(after);
    ack?.({ ok: true, state: generation.state, seq: generation.log.seq });
    socket.data.readers.read(generation, after);
  }

  @SubscribeMessage('leave')
  leave(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: generationRef }) { generationId }: GenerationRef,
    @Ack() ack?: AckOf<object>,
  ): void {
    this.generations.getFor(socket.data.user, generationId);
    socket.data.readers.leave(generationId);
    ack?.({ ok: true });
  }

  @SubscribeMessage('cancel')
  async cancel(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: generationRef }) { generationId }: GenerationRef,
    @Ack() ack?: AckOf<{ state: GenerationState; seq: number }>,
  ): Promise<void> {
    const { state, seq } = await this.generations.getFor(socket.data.user, generationId).cancel();
    ack?.({ ok: true, state, seq });
  }

  private start(
    socket: ClientSocket,
    asked: Asked,
    idempotencyKey: string | undefined,
    ack?: AckOf<StartedAck>,
  ): void {
    const readers = this.audience(socket, asked.audience);
    const accepted = this.generations.start(asked, { idempotencyKey, ...callerOf(socket) });
    ack?.({ ok: true, ...startedOf(accepted) });
    for (const reader of readers) reader.read(accepted.generation, 0);
  }
}

const NOT_THAT_USER = { message: 'This socket is not known to be of that user; see auth.userId.' };

/** Who asks through this socket: its user where that is known, otherwise the socket itself. */
export function callerOf({ id, data }: ClientSocket): Pick<Caller, 'user' | 'turn'> {
  const { user } = data;
  return { user, turn: user === undefined ? `socket ${id}` : `user ${user}` };
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
