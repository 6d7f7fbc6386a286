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
import { actingFor, callerAs, mayDeliver } from '../access/acting.js';
import { networkOf } from '../access/address.js';
import { Audit } from '../access/audit.js';
import type { Caller } from '../access/caller.js';
import { clientAddress, keyOf } from '../access/client-address.js';
import { Config } from '../config/config.js';
import { authRequest, type AuthRequest } from '../protocol/access.js';
import { isLoopback } from '../config/loopback.js';
import { validation } from '../http/validation.js';
import { CastError } from '../protocol/errors.js';
import { SocketErrorFilter } from './socket-error-filter.js';
import { startedOf } from '../generations/accepted.js';
import type { Asked } from '../generations/asked.js';
import { Gauges, type Transport } from '../generations/gauges.js';
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
  reportRequest,
  type ReportRequest,
  sendMessageRequest,
  type SendMessageRequest,
} from '../protocol/requests.js';
import { type Ack as AckOf, clientEvents, type StartedAck } from '../protocol/socket-events.js';
import { type GenerationState } from '../protocol/stream-state.js';
import { Audience } from './audience.js';
import type { Clients, ClientSocket } from './client-socket.js';
import { SocketCallers } from './socket-caller.js';
import { SocketHandshake } from './socket-handshake.js';
import { SocketReaders } from './socket-readers.js';
import { SocketSessions } from './socket-sessions.js';

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
    private readonly lifecycle: Lifecycle,
    private readonly callers: SocketCallers,
    private readonly sessions: SocketSessions,
    private readonly handshake: SocketHandshake,
    private readonly audience: Audience,
    private readonly audit: Audit,
    private readonly config: Config,
    gauges: Gauges,
  ) {
    gauges.put('sockets', () => this.countByTransport());
  }

  /** Before a client is connected, it is settled who it is. */
  afterInit(clients: Clients): void {
    clients.use((socket, next) => void this.handshake.settle(socket, next));
  }

  async handleConnection(socket: ClientSocket): Promise<void> {
    const { caller } = socket.data;
    socket.data.readers = new SocketReaders(socket.conn, {
      bufferBytes: this.config.SOCKET_BUFFER_BYTES,
      slowMs: this.config.SLOW_READER_MS,
      onSlow: () => this.lifecycle.tell('slowReader', 'socket'),
    });
    this.audience.add(socket);
    socket.onAny((event: string, ...args: unknown[]) => this.answerUnknown(socket, event, args));
    // A new tab or device hears what goes on, and may join.
    for (const status of await this.generations.activeOf(caller))
      socket.emit('streamState', status);
  }

  handleDisconnect(socket: ClientSocket): void {
    socket.data.readers.close();
    socket.data.session.end();
    for (const generationId of socket.data.links?.keys() ?? []) {
      this.sessions.endLink(socket, generationId);
    }
    this.audience.delete(socket);
  }

  /**
   * The connected client with this Socket.IO id, if the caller may have something sent to it.
   * @param address of the caller
   * @throws CastError `client_not_found`, also where it may not
   */
  client(clientId: string, { principal, requestId }: Caller, address: string): ClientSocket {
    const socket = this.clients.sockets.get(clientId);
    if (socket === undefined) throw new CastError('client_not_found');
    const isNear =
      isLoopback(this.config.HOST) ||
      networkOf(address) === networkOf(clientAddress(socket.request, this.config));
    if (mayDeliver(principal, socket.data.caller.principal, isNear)) return socket;
    const refused = new CastError('client_not_found');
    this.audit.write('denied', principal, {
      verb: 'start',
      requestId,
      address,
      code: refused.code,
    });
    throw refused;
  }

  @SubscribeMessage('generate')
  async generate(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: generateRequest }) request: GenerateRequest,
    @Ack() ack?: AckOf<StartedAck>,
  ): Promise<void> {
    const { idempotencyKey, trace, ...fields } = request;
    await this.start(socket, { endpoint: 'generate', ...fields }, { idempotencyKey, trace }, ack);
  }

  @SubscribeMessage('chat')
  async chat(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: chatRequest }) request: ChatRequest,
    @Ack() ack?: AckOf<StartedAck>,
  ): Promise<void> {
    const { idempotencyKey, trace, ...fields } = request;
    await this.start(socket, { endpoint: 'chat', ...fields }, { idempotencyKey, trace }, ack);
  }

  /** The second known shape: a front end that sends a user text and a system text. */
  @SubscribeMessage('send_message')
  async sendMessage(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: sendMessageRequest }) request: SendMessageRequest,
    @Ack() ack?: AckOf<StartedAck>,
  ): Promise<void> {
    const { user_id, user_content, system_content, temperature, idempotencyKey, trace } = request;
    const user = { role: 'user' as const, content: user_content };
    const messages =
      system_content === undefined
        ? [user]
        : [{ role: 'system' as const, content: system_content }, user];
    const options = temperature === undefined ? {} : { temperature };
    await this.start(
      socket,
      { endpoint: 'chat', messages, options, audience: 'user', userId: user_id },
      { idempotencyKey, trace },
      ack,
    );
  }

  @SubscribeMessage('join')
  async join(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: joinRequest }) { generationId, after, token }: JoinRequest,
    @Ack() ack?: AckOf<{ state: GenerationState; seq: number }>,
  ): Promise<void> {
    const { data } = socket;
    const caller =
      token === undefined ? data.caller : await this.callers.withLink(socket, data.caller, token);
    const generation = await this.generations.readAfter('socket', generationId, caller, after);
    this.sessions.endLink(socket, generationId);
    if (token !== undefined && socket.connected) {
      this.sessions.openLink(socket, caller, generationId);
    }
    ack?.({ ok: true, state: generation.state, seq: generation.log.seq });
    socket.data.readers.read(generation, after);
  }

  /** Goes on with a new token of the same user. */
  @SubscribeMessage('auth')
  async auth(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: authRequest }) { token }: AuthRequest,
    @Ack() ack?: AckOf<{ expiresAt: string }>,
  ): Promise<void> {
    const { data } = socket;
    const caller = await this.callers.renewed(socket, data.caller, token);
    data.caller = caller;
    data.session.renew(caller.principal);
    ack?.({ ok: true, expiresAt: expiryOf(caller) });
  }

  /** What the user felt, as the client measured it. */
  @SubscribeMessage('report')
  async report(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: reportRequest }) report: ReportRequest,
    @Ack() ack?: AckOf<object>,
  ): Promise<void> {
    const { data } = socket;
    const reader = readerOf(socket, report.generationId);
    const generation = await this.generations.get(report.generationId, reader, 'read');
    data.reported ??= new WeakSet();
    if (!data.reported.has(generation)) this.lifecycle.tell('reported', report);
    data.reported.add(generation);
    ack?.({ ok: true });
  }

  @SubscribeMessage('leave')
  async leave(
    @ConnectedSocket() socket: ClientSocket,
    @MessageBody({ schema: generationRef }) { generationId }: GenerationRef,
    @Ack() ack?: AckOf<object>,
  ): Promise<void> {
    await this.generations.get(generationId, readerOf(socket, generationId), 'read');
    socket.data.readers.leave(generationId);
    this.sessions.endLink(socket, generationId);
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
    { userId, ...asked }: Asked,
    { idempotencyKey, trace }: Pick<ChatRequest, 'idempotencyKey' | 'trace'>,
    ack?: AckOf<StartedAck>,
  ): Promise<void> {
    const { caller: own, readers } = socket.data;
    const acting = this.audit.decide(own, 'start', () => {
      const as = callerAs(own, actingFor(own.principal, userId));
      // Refuses a user who is not known before anything is started.
      this.audience.check(as, asked.audience);
      return as;
    });
    const caller = trace === undefined ? acting : { ...acting, trace };
    const key = keyOf(idempotencyKey, socket.handshake, this.config);
    const accepted = await this.generations.start(asked, caller, key);
    ack?.({ ok: true, ...startedOf(accepted) });
    this.audience.show(accepted.generation, caller, readers, asked.audience);
  }

  /** An event that does not exist would otherwise wait for its ack for ever. */
  private answerUnknown(socket: ClientSocket, event: string, args: unknown[]): void {
    if (Object.hasOwn(clientEvents, event)) return;
    const refused = new CastError('not_found', { message: 'There is no such event.' });
    this.lifecycle.tell('refused', refused.code);
    const error = refused.refusal();
    const ack = args.at(-1);
    if (typeof ack === 'function') ack({ ok: false, error });
    else socket.emit('exception', error);
  }

  private countByTransport(): Record<Transport, number> {
    const counts = { polling: 0, websocket: 0 };
    for (const { conn } of this.clients.sockets.values()) {
      counts[conn.transport.name as Transport]++;
    }
    return counts;
  }
}

/** The caller as which a socket reads a generation: whoever holds a link, where it came by one. */
function readerOf({ data }: ClientSocket, generationId: string): Caller {
  return data.links?.get(generationId)?.caller ?? data.caller;
}

/** ISO time of the end of a user's token. */
function expiryOf({ principal }: Caller): string {
  const expiresAt = principal.kind === 'user' ? (principal.token?.expiresAt ?? 0) : 0;
  return new Date(expiresAt * 1000).toISOString();
}
