import { randomBytes } from 'node:crypto';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server as HttpServer,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket as TcpSocket } from 'node:net';
import { type INestApplication, Logger, type WsMessageHandler } from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { type Namespace, Server, type ServerOptions, type Socket } from 'socket.io';
import type { Config } from '../config/config.js';
import { CastError, ERRORS } from '../protocol/errors.js';
import type { Connection, WebSocketTransport } from './cut-connection.js';
import { forgetRequests } from './handshake-request.js';
import { nameVersions, otherVersion, refuseNamespace } from './handshake.js';
import { limitPackets } from './packet-limits.js';
import { boundPollingPayloads } from './polling-payload.js';
import { guardSessions } from './session-guard.js';
import type { Clients } from './client-socket.js';

/** How long, at the end, sockets may take to fetch what is written for them. */
const FLUSH_MS = 2_000;
const FLUSH_POLL_MS = 10;
/** How long connections may take for a goodbye. */
const GOODBYE_MS = 250;
/**
 * Pings, and how long an answer may take: a connection that died without a word is noticed by either
 * end within 25 s. Socket.IO's 45 s are long for someone who watches an answer grow.
 */
const PING_INTERVAL_MS = 10_000;
const PING_TIMEOUT_MS = 15_000;
/** How long a connection may take to ask for its namespace. */
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Socket.IO's settings, and its own listening HTTP server: the port of a `@WebSocketGateway()` is
 * read before the configuration is, and `new Server(port)` listens on every interface.
 */
export class SocketAdapter extends IoAdapter {
  /** What Socket.IO is attached to: a server of its own, or the one of REST. */
  readonly listener: HttpServer;
  private readonly isShared: boolean;
  /** The events of the one gateway, in the order of its handlers. */
  private messages: unknown[] | undefined;
  private readonly log = new Logger('Socket.IO');

  /**
   * @param tag what the ids of connections begin with, so that a proxy can send each to its node
   * @param isAllowed whether this request may come from a page that is served or trusted
   * @param cors what such a page is told
   * @param watchMessages bounds what a WebSocket may leave unfinished; its result is called after each
   *   complete message
   */
  constructor(
    app: INestApplication,
    private readonly config: Config,
    private readonly tag: string,
    private readonly isAllowed: (request: IncomingMessage) => boolean,
    private readonly cors: ServerOptions['cors'],
    private readonly watchMessages: (socket: TcpSocket) => () => void,
  ) {
    super(app);
    this.isShared = config.SOCKET_PORT === config.PORT && config.PORT !== 0;
    const rest = app.getHttpAdapter().getInstance() as RequestListener;
    this.listener = this.isShared
      ? app.getHttpServer()
      : createServer((request, response) =>
          (isForClients(request) ? rest : answerNotFound)(request, response),
        );
  }

  override createIOServer(_port: number, options?: Partial<ServerOptions>): Server {
    const { config } = this;
    const server: Server = new Server(this.listener, {
      ...options,
      transports: config.SOCKET_TRANSPORTS,
      maxHttpBufferSize: config.MAX_BODY_BYTES,
      pingInterval: PING_INTERVAL_MS,
      pingTimeout: PING_TIMEOUT_MS,
      connectTimeout: CONNECT_TIMEOUT_MS,
      serveClient: false,
      perMessageDeflate: false,
      httpCompression: false,
      // `cors` only adds headers: what is foreign is refused here.
      allowRequest: (request, decide) => {
        // Engine.IO asks for handshakes only. A polling session outlives its connections, so that these
        // do not count it.
        const isFull = server.engine.clientsCount >= config.MAX_CONNECTIONS;
        const refusal = isFull
          ? 'too many connections'
          : this.isAllowed(request)
            ? otherVersion(request)
            : 'forbidden';
        decide(refusal ?? null, refusal === undefined);
      },
      cors: this.cors,
    });
    // As Engine.IO makes its own: 15 random bytes.
    if (this.tag !== '') {
      server.engine.generateId = () => this.tag + randomBytes(15).toString('base64url');
    }
    nameVersions(server.engine);
    boundPollingPayloads(server.engine);
    server.of('/').use(refuseNamespace);
    guardSessions(server.engine, config);
    forgetRequests(server.engine);
    server.engine.on('connection', (connection: Connection) => this.bound(connection));
    return server;
  }

  private bound(connection: Connection): void {
    const { MAX_BODY_BYTES: maxBytes, SOCKET_BUFFER_BYTES: bufferBytes } = this.config;
    let onComplete = (): void => undefined;
    const watch = ({ socket }: WebSocketTransport): void => {
      if (socket !== undefined) onComplete = this.watchMessages(socket._socket);
    };
    watch(connection.transport);
    connection.on('upgrade', watch);
    limitPackets(connection, { maxBytes, bufferBytes, onComplete: () => onComplete() });
  }

  /**
   * Handlers that answer by their ack. Nest's own binding makes an rxjs pipeline for each event of
   * each socket: 27 of the 42 KB of heap that an idle socket took.
   */
  override bindMessageHandlers(socket: Socket, handlers: WsMessageHandler[]): void {
    // Of each socket only what differs is kept: it would be 0.4 KB more with the names of the events.
    this.messages ??= handlers.map(({ message }) => message);
    const { messages } = this;
    const callbacks = handlers.map(({ callback }) => callback);
    // One listener for all events: one each would take 0.8 KB more of every socket.
    socket.onAny((event: string, ...args: unknown[]) => {
      const callback = callbacks[messages.indexOf(event)];
      // Behind its own goodbye a client may have sent more.
      if (callback === undefined || !socket.connected) return;
      const { data, ack } = this.mapPayload(args.length > 1 ? args : args[0]);
      // What a handler throws is answered by the exception filter; what that throws is a bug.
      Promise.resolve(callback(data, ack)).catch((error: unknown) => this.log.error(error));
    });
  }

  /**
   * @param backlog how many connections may wait to be accepted
   * @returns the port that is listened on
   */
  async listen(backlog: number): Promise<number> {
    const { listener } = this;
    const { SOCKET_PORT: port, HOST: host } = this.config;
    if (!this.isShared) {
      await new Promise<void>((resolve, reject) => {
        listener.once('error', reject);
        listener.listen({ port, host, backlog }, resolve);
      });
    }
    return (listener.address() as AddressInfo).port;
  }

  /** Closes every socket, after what was written for it has left. Nest also asks to close namespaces. */
  override async close(server: Server | Namespace): Promise<void> {
    if (!(server instanceof Server)) return;
    const deadline = performance.now() + FLUSH_MS;
    const clients = server.of('/events') as unknown as Clients;
    const isSending = (): boolean =>
      [...clients.sockets.values()].some(({ data }) => !data.readers.isEmpty);
    while (isSending() && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, FLUSH_POLL_MS));
    }
    // To Node a connection that has never asked for anything is busy: it would hold up the end.
    const cut = setTimeout(() => this.listener.closeAllConnections(), GOODBYE_MS);
    await server.close();
    clearTimeout(cut);
  }
}

/** What a client needs besides Socket.IO: with one address it has all. */
const FOR_CLIENTS: ReadonlySet<string> = new Set(['/llm/models', '/client.js']);

function isForClients({ url = '' }: IncomingMessage): boolean {
  return FOR_CLIENTS.has(url.split('?', 1)[0]!);
}

/** What is not Socket.IO, on its own port: without an answer it would hang. */
function answerNotFound(_request: IncomingMessage, response: ServerResponse): void {
  const { status } = ERRORS.not_found;
  const body = { statusCode: status, ...new CastError('not_found').refusal() };
  const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' };
  response.writeHead(status, headers).end(JSON.stringify(body));
}
