import type { IncomingMessage } from 'node:http';
import type { Socket } from 'socket.io';
import { CastError } from '../protocol/errors.js';

/** How long after a refused namespace a connection without another one is closed. */
const NAMESPACE_MS = 1_000;

const OTHER_VERSION =
  'This server speaks Socket.IO 3 and 4 (Engine.IO protocol 4, EIO=4): the client is older. ' +
  'socket.io-client 3 or 4, python-socketio 5 and their like speak it.';
const NO_NAMESPACE =
  'Nothing answers in the namespace "/": connect to the namespace "/events". ' +
  'In JavaScript it stands behind the address; in Python it is namespaces=["/events"].';

/** Why a handshake cannot be answered: undefined where the client speaks our protocol. */
export function otherVersion(request: IncomingMessage): string | undefined {
  return /[?&]EIO=4(&|$)/.test(request.url ?? '') ? undefined : OTHER_VERSION;
}

/**
 * Every Socket.IO server has the namespace `/`, and here nothing answers in it. Clients come there
 * where they were given no namespace, or take it for the path of an address (Python).
 */
export function refuseNamespace({ client, conn }: Socket, next: (error: Error) => void): void {
  const refused = new CastError('not_found', { message: NO_NAMESPACE });
  next(Object.assign(new Error(refused.message), { data: refused.refusal() }));
  const { nsps } = client as unknown as { nsps: ReadonlyMap<string, Socket> };
  // The same connection may ask for `/events` too.
  setTimeout(() => nsps.size > 0 || conn.close(), NAMESPACE_MS).unref();
}
