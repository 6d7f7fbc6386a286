import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'socket.io';
import { networkOf } from '../access/address.js';
import { clientAddress } from '../access/client-address.js';
import type { Config } from '../config/config.js';
import type { EngineRequest } from './handshake-request.js';

type Engine = Server['engine'];

/**
 * Looks at each request for Engine.IO before it does:
 * - A session belongs to the address it began at. Its id stands in every URL of polling, and so in the
 *   logs of proxies: alone it must not be enough to read and write in somebody else's name. A client
 *   whose address changes connects again, and joins.
 * - JSONP (`j`) is no transport here: any page may load a script from anywhere.
 * - A polling POST says how long it is: Engine.IO joins what comes, however small the pieces are.
 */
export function guardSessions(engine: Engine, config: Pick<Config, 'TRUST_PROXY'>): void {
  // What the types call protected.
  const { clients } = engine as unknown as {
    clients: Record<string, { request: IncomingMessage }>;
  };
  const networkOfClient = (request: IncomingMessage): string =>
    networkOf(clientAddress(request, config));
  engine.use((request: EngineRequest, _response: ServerResponse, next: (error?: Error) => void) => {
    const { sid = '', j: callback } = request._query;
    const session = Object.hasOwn(clients, sid) ? clients[sid] : undefined;
    const isForeign =
      session !== undefined && networkOfClient(session.request) !== networkOfClient(request);
    const hasNoLength = request.headers['transfer-encoding'] !== undefined;
    next(isForeign || callback !== undefined || hasNoLength ? new Error('refused') : undefined);
  });
}
