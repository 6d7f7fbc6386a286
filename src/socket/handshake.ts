import type { IncomingMessage } from 'node:http';
import type { Server, Socket } from 'socket.io';
import { CastError } from '../protocol/errors.js';
import { closeConnection } from './cut-connection.js';

/** How long after a refused namespace a connection without another one is closed. */
const NAMESPACE_MS = 1_000;

const OTHER_VERSION =
  'This server speaks Socket.IO 3 and 4 (Engine.IO protocol 4, EIO=4): the client is older. ' +
  'socket.io-client 3 or 4, python-socketio 5 and their like speak it.';
const NO_NAMESPACE =
  'Nothing answers in the namespace "/": connect to the namespace "/events". ' +
  'In JavaScript it stands behind the address; in Python it is namespaces=["/events"].';

/** Engine.IO's own code of this refusal, which says no more than that. */
const UNSUPPORTED_PROTOCOL_VERSION = 5;

/**
 * Why a WebSocket cannot be opened: undefined where the client speaks our protocol. Over polling
 * Engine.IO says it; a WebSocket it would open before.
 */
export function otherVersion({ url = '' }: IncomingMessage): string | undefined {
  return /[?&]EIO=4(&|$)/.test(url) || !/[?&]transport=websocket(&|$)/.test(url)
    ? undefined
    : OTHER_VERSION;
}

/** Has Engine.IO say over polling which clients it can speak with. */
export function nameVersions(engine: Server['engine']): void {
  const { errorMessages } = engine.constructor as unknown as {
    errorMessages: Record<number, string>;
  };
  errorMessages[UNSUPPORTED_PROTOCOL_VERSION] = OTHER_VERSION;
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
  setTimeout(() => nsps.size > 0 || closeConnection(conn), NAMESPACE_MS).unref();
}
