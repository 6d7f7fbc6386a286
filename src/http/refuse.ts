import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { CastError, ERRORS } from '../protocol/errors.js';

/**
 * Answers a request that no route sees with the contract's refusal, and ends its connection: what else
 * comes from there is not read.
 * @param status where HTTP has a closer one than the code's own
 * @param elsewise the body in the shape of the request's door, if it is for one; a text is plain text
 */
export function refuse(
  response: ServerResponse,
  error: CastError,
  status = ERRORS[error.code].status,
  elsewise?: object | string,
): void {
  const requestId = response.getHeader('x-request-id');
  const isText = typeof elsewise === 'string';
  response.writeHead(status, {
    'Content-Type': `${isText ? 'text/plain' : 'application/json'}; charset=utf-8`,
    'Cache-Control': 'no-store',
    Connection: 'close',
  });
  const body = elsewise ?? { statusCode: status, ...error.refusal(), requestId };
  response.end(isText ? elsewise : JSON.stringify(body));
}

/** The same for an upgrade to WebSocket, whose client sees no body. */
export function refuseUpgrade(socket: Socket, status: number): void {
  socket.on('error', () => undefined);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n\r\n`);
  socket.destroySoon();
}
