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
import { userOf } from '../auth.js';
import { Config } from '../config.js';
import { CastError, SocketErrorFilter, validation } from '../errors.js';
import { type Asked, type Caller, GenerationsService } from '../generations/generations.service.js';
import {
  type Ack as AckOf,
  chatRequest,
  type ChatRequest,
  type ClientToServerEvents,
  generateRequest,
  type GenerateRequest,
  generationRef,
  type GenerationRef,
  type GenerationState,
  joinRequest,
  type JoinRequest,
  type ServerToClientEvents,
  type StartedAck,
} from '../protocol.js';
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

  @SubscribeMessage('generate')
  generate(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: generateRequest }) request: GenerateRequest,
    @Ack() ack?: AckOf<StartedAck>,
  ): void {
    const { idempotencyKey, ...fields } = request;
    this.start(socket, { ...fields, endpoint: 'generate' }, idempotencyKey, ack);
  }

  @SubscribeMessage('chat')
  chat(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: chatRequest }) request: ChatRequest,
    @Ack() ack?: AckOf<StartedAck>,
  ): void {
    const { idempotencyKey, ...fields } = request;
    this.start(socket, { ...fields, endpoint: 'chat' }, idempotencyKey, ack);
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
    @Ack() ack?: AckOf<{ state: GenerationState }>,
  ): Promise<void> {
    const { state } = await this.generations.getFor(socket.data.user, generationId).cancel();
    ack?.({ ok: true, state });
  }

  private start(
    socket: ClientSocket,
    asked: Asked,
    idempotencyKey: string | undefined,
    ack?: AckOf<StartedAck>,
  ): void {
    const { generation, deduplicated } = this.generations.start(asked, {
      ...callerOf(socket),
      idempotencyKey,
    });
    ack?.({ ok: true, ...generation.status, ...(deduplicated && { deduplicated }) });
    socket.data.readers.read(generation, 0);
  }
}

/** Who asks through this socket: its user where that is known, otherwise the socket itself. */
export function callerOf({ id, data }: ClientSocket): Pick<Caller, 'user' | 'turn'> {
  const { user } = data;
  return { user, turn: user === undefined ? `socket ${id}` : `user ${user}` };
}

/** Socket.IO hands `data` of a handshake's error to the client's `connect_error`. */
function handshakeRefusal(error: unknown): Error {
  const refused = error instanceof CastError ? error : new CastError('internal');
  return Object.assign(new Error(refused.message), { data: refused.refusal() });
}
