import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { CastError, ERRORS } from '../protocol/errors.js';

/**
 * Answers a request that no route sees with the contract's refusal, and ends its connection: what else
 * comes from there is not read.
 * @param status where HTTP has a closer one than the code's own
 */
export function refuse(
  response: ServerResponse,
  error: CastError,
  status = ERRORS[error.code].status,
): void {
  const requestId = response.getHeader('x-request-id');
  response.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Cache-Control': 'no-store',
    Connection: 'close',
  });
  response.end(JSON.stringify({ statusCode: status, ...error.refusal(), requestId }));
}

/** The same for an upgrade to WebSocket, whose client sees no body. */
export function refuseUpgrade(socket: Socket, status: number): void {
  socket.on('error', () => undefined);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n\r\n`);
  socket.destroySoon();
}
