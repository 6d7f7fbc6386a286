import { UseFilters, UsePipes } from '@nestjs/common';
import {
  Ack,
  ConnectedSocket,
  MessageBody,
  type OnGatewayConnection,
  type OnGatewayDisconnect,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
} from '@nestjs/websockets';
import type { Namespace, Socket } from 'socket.io';
import { Config } from '../config.js';
import { SocketErrorFilter, validation } from '../errors.js';
import type { Generation } from '../generations/generation.js';
import { GenerationsService } from '../generations/generations.service.js';
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
  type ServerToClientEvents,
} from '../protocol.js';
import { SocketReaders } from './socket-readers.js';

type NoServerEvents = Record<string, never>;
interface SocketData {
  readers: SocketReaders;
}
type ClientSocket = Socket<ClientToServerEvents, ServerToClientEvents, NoServerEvents, SocketData>;
/** The namespace `/events`. */
export type Clients = Namespace<
  ClientToServerEvents,
  ServerToClientEvents,
  NoServerEvents,
  SocketData
>;
type Started = { generationId: string; state: GenerationState };

/**
 * The socket's door: takes requests, and turns log readers into emits. A request is answered through
 * its ack before its generation is attached, so no record can come before the ack.
 */
@WebSocketGateway({ namespace: 'events' })
@UsePipes(validation)
@UseFilters(SocketErrorFilter)
export class SocketGateway implements OnGatewayConnection, OnGatewayDisconnect {
  @WebSocketServer()
  private readonly clients!: Clients;

  constructor(
    private readonly generations: GenerationsService,
    private readonly config: Config,
  ) {}

  handleConnection(socket: ClientSocket): void {
    socket.data.readers = new SocketReaders(socket, this.config.SOCKET_BUFFER_BYTES);
  }

  handleDisconnect(socket: ClientSocket): void {
    socket.data.readers.close();
  }

  /** Whether a client with this Socket.IO id is connected. */
  has(clientId: string): boolean {
    return this.clients.sockets.has(clientId);
  }

  /** Streams a generation to a client from its first record; nothing if the client has gone. */
  attach(clientId: string, generation: Generation): void {
    this.clients.sockets.get(clientId)?.data.readers.read(generation, 0);
  }

  @SubscribeMessage('generate')
  generate(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: generateRequest }) request: GenerateRequest,
    @Ack() ack?: AckOf<Started>,
  ): void {
    this.begin(socket, this.generations.generate(request), ack);
  }

  @SubscribeMessage('chat')
  chat(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: chatRequest }) request: ChatRequest,
    @Ack() ack?: AckOf<Started>,
  ): void {
    this.begin(socket, this.generations.chat(request), ack);
  }

  @SubscribeMessage('cancel')
  async cancel(
    @MessageBody({ schema: generationRef }) { generationId }: GenerationRef,
    @Ack() ack?: AckOf<{ state: GenerationState }>,
  ): Promise<void> {
    const { state } = await this.generations.cancel(generationId);
    ack?.({ ok: true, state });
  }

  private begin(socket: ClientSocket, generation: Generation, ack?: AckOf<Started>): void {
    ack?.({ ok: true, generationId: generation.id, state: generation.state });
    socket.data.readers.read(generation, 0);
  }
}
