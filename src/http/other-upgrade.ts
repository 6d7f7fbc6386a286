import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';

/** What asks for another protocol (RFC 9110, section 7.8; RFC 7540, section 3.2.1). */
const ASKS = new Set(['upgrade', 'connection', 'http2-settings']);

/**
 * Whether a request asks for another protocol than WebSocket, such as HTTP/2 (`h2c`: Java's client
 * does so with its first request). A server that does not speak it answers as if it had not asked.
 */
export function asksForOther({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() !== 'websocket';
}

/**
 * Gives such a request to the server once more, without the wish: Node takes it off the connection as
 * soon as somebody listens for upgrades.
 * @param head what came behind its headers
 */
export function withoutWish(
  server: Server,
  { method, url, rawHeaders }: IncomingMessage,
  socket: Socket,
  head: Buffer,
): void {
  let lines = `${method} ${url} HTTP/1.1\r\n`;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2);
    if (!ASKS.has(name.toLowerCase())) lines += `${name}: ${value}\r\n`;
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines}\r\n`, 'latin1'), head]));
  server.emit('connection', socket);
}
