import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Most requests of one connection that have no answer yet (RFC 9112, section 9.3.2: pipelining). */
export const MAX_UNANSWERED = 8;

/** The requests of each connection that wait for the answer before them. */
const waiting = new WeakMap<Socket, (() => void)[]>();

/**
 * Handles the requests of one connection one after the other: Node itself hands them out as they come,
 * and keeps all answers behind the first in memory. A connection with too many of them is cut.
 */
export function inTurn(
  { socket }: IncomingMessage,
  response: ServerResponse,
  handle: () => void,
): void {
  const begin = (): void => {
    response.once('close', () => {
      const next = waiting.get(socket)?.shift();
      if (next === undefined) waiting.delete(socket);
      else if (!socket.destroyed) next();
    });
    handle();
  };
  const before = waiting.get(socket);
  if (before === undefined) {
    waiting.set(socket, []);
    begin();
  } else if (before.length + 2 > MAX_UNANSWERED) socket.destroy();
  else before.push(begin);
}
