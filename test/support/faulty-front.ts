import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import type { RunningServer } from '../../src/server.js';

/** What proxies do wrong. */
export interface Faults {
  /** Paths that are answered with a 404 page of its own. */
  hides?: RegExp;
  /** Paths that are answered with a 401. */
  protects?: RegExp;
  /** All paths go to the REST port. */
  routesToRest?: boolean;
  /** What is behind Socket.IO's path does not answer: 502. */
  losesSocket?: boolean;
  /** WebSocket handshakes are passed on as ordinary requests; `sessions`: only those of upgrades. */
  dropsUpgrade?: boolean | 'sessions';
  /** Requests of a session reach a process that does not know it. */
  forgetsSessions?: boolean;
  /** Answers are held until they are whole. */
  buffers?: boolean;
  /** Answers that take longer are cut. */
  cutsAfterMs?: number;
  /** `Host` is that of what is behind. */
  rewritesHost?: boolean;
  stripsCors?: boolean;
  /** Preflights are answered by itself. */
  answersOptions?: boolean;
  /** WebSockets on which nothing is said for so long are cut. */
  cutsIdleMs?: number;
  /** WebSockets are cut when they are so old. */
  cutsWebSocketsMs?: number;
  /** What goes to the client over a WebSocket comes so much later. */
  delayMs?: number;
  /** What is replaced in it, by something as long. */
  replaces?: readonly [string, string];
}

/** An HTTP reverse proxy that serves both ports of llm-cast under one address, with faults. */
export class FaultyFront {
  /** What is behind it. */
  app: Pick<RunningServer, 'url' | 'socketUrl'> | undefined;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly faults: Faults,
  ) {
    server.on('connection', (socket) => this.keep(socket));
    server.on('request', (request, response) => this.pass(request, response));
    server.on('upgrade', (request, socket, head) => this.upgrade(request, socket as Socket, head));
  }

  static async start(faults: Faults): Promise<FaultyFront> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new FaultyFront(server, faults);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private keep(socket: Socket): Socket {
    this.sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => this.sockets.delete(socket));
    return socket;
  }

  /** Where a request goes, and as what. */
  private route({ url: path = '', headers }: IncomingMessage) {
    const { routesToRest, rewritesHost, forgetsSessions } = this.faults;
    const isSocket = path.startsWith('/socket.io/') && !routesToRest;
    const { port } = new URL((isSocket ? this.app?.socketUrl : this.app?.url) ?? this.url);
    return {
      port: Number(port),
      path: forgetsSessions ? path.replace(/(?<=[?&]sid=)[^&]+/, 'unknown') : path,
      headers: { ...headers, ...(rewritesHost && { host: `127.0.0.1:${port}` }) },
    };
  }

  private pass(request: IncomingMessage, response: ServerResponse): void {
    const { hides, protects, losesSocket, answersOptions, buffers, cutsAfterMs, stripsCors } =
      this.faults;
    const path = request.url ?? '';
    if (hides?.test(path)) return page(response, 404);
    if (protects?.test(path)) return page(response, 401);
    if (losesSocket && path.startsWith('/socket.io/')) return page(response, 502);
    if (answersOptions && request.method === 'OPTIONS') return page(response, 405);
    const target = { host: '127.0.0.1', method: request.method, ...this.route(request) };
    const asked = httpRequest(target, (answer) => {
      const headers = Object.entries(answer.headers).filter(
        ([name]) => !stripsCors || !name.startsWith('access-control-'),
      );
      response.writeHead(answer.statusCode ?? 500, Object.fromEntries(headers));
      answer.on('error', () => response.destroy());
      if (buffers) {
        const pieces: Buffer[] = [];
        answer.on('data', (piece: Buffer) => pieces.push(piece));
        answer.on('end', () => response.end(Buffer.concat(pieces)));
        return;
      }
      response.flushHeaders();
      answer.pipe(response);
      if (cutsAfterMs === undefined) return;
      const timer = setTimeout(() => response.destroy(), cutsAfterMs);
      response.once('close', () => clearTimeout(timer));
    });
    asked.on('error', () => (response.headersSent ? response.destroy() : page(response, 502)));
    response.once('close', () => asked.destroy());
    request.pipe(asked);
  }

  private upgrade(request: IncomingMessage, client: Socket, head: Buffer): void {
    const { dropsUpgrade, cutsIdleMs, cutsWebSocketsMs, delayMs = 0, replaces } = this.faults;
    const { port, path, headers } = this.route(request);
    const isSession = path.includes('sid=');
    const drops = dropsUpgrade === true || (dropsUpgrade === 'sessions' && isSession);
    if (drops) {
      delete headers.upgrade;
      headers.connection = 'close';
    }
    const target = this.keep(connect(port, '127.0.0.1'));
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}\r\n`);
    target.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    target.write(head);
    client.pipe(target);
    target.pipe(changed(delayMs, replaces)).pipe(client);
    client.once('close', () => target.destroy());
    target.once('close', () => setTimeout(() => client.destroySoon(), delayMs));
    if (cutsIdleMs !== undefined) client.setTimeout(cutsIdleMs, () => client.destroy());
    if (cutsWebSocketsMs === undefined) return;
    const timer = setTimeout(() => client.destroy(), cutsWebSocketsMs);
    client.once('close', () => clearTimeout(timer));
  }
}

/** Bytes that come later, and with something replaced where it stands in one piece. */
function changed(delayMs: number, [from, to]: readonly [string, string] = ['', '']): Transform {
  return new Transform({
    transform(bytes: Buffer, _encoding, done) {
      const text = bytes.toString('latin1');
      const out = from === '' ? bytes : Buffer.from(text.replaceAll(from, to), 'latin1');
      if (delayMs === 0) done(null, out);
      else setTimeout(() => done(null, out), delayMs);
    },
  });
}

function page(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'text/html' }).end(`<h1>${status}</h1>`);
}
