import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Lifecycle } from '../generations/lifecycle.js';
import type { CastError } from '../protocol/errors.js';
import { harden } from './harden.js';
import { asksForOther, withoutWish } from './other-upgrade.js';
import { inTurn } from './pipelining.js';
import { refuse, refuseUpgrade } from './refuse.js';
import { faultOf } from './request-form.js';
import type { UnfinishedInput } from './unfinished-input.js';
import { acceptUtf8Only } from './utf8-only.js';

type UpgradeListener = (request: IncomingMessage, socket: Socket, head: Buffer) => void;

/**
 * Stands before all listeners of a server, Express's and Socket.IO's alike: gives every answer its
 * headers, refuses what is malformed, and hands on one request of a connection at a time. It is called
 * when the listeners are there.
 * @param shapeOf the body of a refusal in the shape of the request's door; undefined for our own
 */
export function guardRequests(
  server: Server,
  unfinished: UnfinishedInput,
  lifecycle: Pick<Lifecycle, 'tell'>,
  shapeOf: (refused: CastError, request: IncomingMessage) => object | string | undefined,
): void {
  const listeners = server.listeners('request') as RequestListener[];
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    harden(request, response);
    const fault = faultOf(request);
    if (fault !== undefined) {
      lifecycle.tell('refused', fault.error.code);
      return refuse(response, fault.error, fault.status, shapeOf(fault.error, request));
    }
    unfinished.watchBody(request, response);
    acceptUtf8Only(request);
    inTurn(request, response, () => {
      for (const listener of listeners) listener.call(server, request, response);
    });
  });

  const upgrades = server.listeners('upgrade') as UpgradeListener[];
  // Without a listener Node takes an upgrade for an ordinary request.
  if (upgrades.length === 0) return;
  server.removeAllListeners('upgrade');
  server.on('upgrade', (request, socket: Socket, head: Buffer) => {
    const fault = faultOf(request);
    if (fault !== undefined) {
      lifecycle.tell('refused', fault.error.code);
      return refuseUpgrade(socket, fault.status);
    }
    if (asksForOther(request)) return withoutWish(server, request, socket, head);
    for (const upgrade of upgrades) upgrade.call(server, request, socket, head);
  });
}
