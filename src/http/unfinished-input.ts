import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How often unfinished bodies and messages are looked at, in milliseconds. */
const LOOK_MS = 100;
/** Time that a body or message may take, in milliseconds; and what it must bring to have more time. */
export const BODY_MS = 15_000;
export const MIN_BYTES_PER_MS = 64;
/** Most bodies of the largest size that all connections together may have unfinished. */
export const MAX_UNFINISHED_BODIES = 4;

const TIMEOUT = 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n';

/** What a connection is in the middle of sending. */
interface Unfinished {
  /** `bytesRead` of the connection when it began. */
  read: number;
  /** When it began, by `performance.now()`; undefined while nothing of it has come. */
  since: number | undefined;
  /** Whether the client can be told, in HTTP. */
  canTell: boolean;
}

/**
 * Bounds what clients can make the process hold by not finishing it: bodies of requests and messages
 * over a WebSocket. One that is too slow is cut, and where all of them together are too large, the
 * largest is.
 */
export class UnfinishedInput {
  private readonly open = new Map<Socket, Unfinished>();
  private readonly looking: NodeJS.Timeout;

  /** @param mostBytes that may be unfinished in all */
  constructor(private readonly mostBytes: number) {
    this.looking = setInterval(() => this.look(), LOOK_MS).unref();
  }

  /** Watches the body of a request, if it has one that is not there yet. */
  watchBody(request: IncomingMessage, response: ServerResponse): void {
    const { socket, headers } = request;
    const length = headers['transfer-encoding'] === undefined ? headers['content-length'] : '1';
    if (Number(length ?? 0) === 0) return;
    const body = { read: socket.bytesRead, since: performance.now(), canTell: true };
    this.open.set(socket, body);
    response.once('close', () => (body.canTell = false));
    const done = (): void => {
      if (this.open.get(socket) === body) this.open.delete(socket);
    };
    request.once('end', done).once('close', done);
  }

  /** Watches the messages of a WebSocket. @returns to be called after each complete one */
  watchMessages(socket: Socket): () => void {
    const message: Unfinished = { read: socket.bytesRead, since: undefined, canTell: false };
    // Of ten thousand sockets hardly one is in the middle of a message: only that one is looked at.
    const onData = (): void => {
      if (socket.bytesRead > message.read) this.open.set(socket, message);
    };
    socket.on('data', onData).once('close', () => this.open.delete(socket));
    return () => {
      message.read = socket.bytesRead;
      message.since = undefined;
      this.open.delete(socket);
    };
  }

  close(): void {
    clearInterval(this.looking);
  }

  private look(): void {
    const now = performance.now();
    let total = 0;
    for (const [socket, unfinished] of this.open) {
      const bytes = socket.bytesRead - unfinished.read;
      total += bytes;
      if (bytes > 0) unfinished.since ??= now;
      const since = unfinished.since ?? now;
      if (now - since > BODY_MS + bytes / MIN_BYTES_PER_MS) this.cut(socket, unfinished);
    }
    while (total > this.mostBytes) total -= this.cutLargest();
  }

  /** @returns the bytes that are given back */
  private cutLargest(): number {
    let largest: [Socket, Unfinished] | undefined;
    let most = 0;
    for (const entry of this.open) {
      const bytes = entry[0].bytesRead - entry[1].read;
      if (bytes > most) [largest, most] = [entry, bytes];
    }
    if (largest === undefined) return Infinity;
    this.cut(...largest);
    return most;
  }

  private cut(socket: Socket, { canTell }: Unfinished): void {
    this.open.delete(socket);
    if (canTell) socket.write(TIMEOUT);
    socket.destroySoon();
  }
}
