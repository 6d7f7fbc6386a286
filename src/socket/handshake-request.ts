import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'socket.io';
import type { Connection } from './cut-connection.js';

/** What Engine.IO adds to a request. */
export type EngineRequest = IncomingMessage & { _query: Record<string, string | undefined> };

/**
 * What stays of the request that a connection began with: what Socket.IO says of it in `handshake`, and
 * what tells the address. The request itself, with its stream, would stay as long as the connection.
 */
class HandshakeRequest {
  readonly headers: IncomingMessage['headers'];
  readonly url: string | undefined;
  readonly socket: IncomingMessage['socket'];
  readonly _query: EngineRequest['_query'];

  constructor({ headers, url, socket, _query }: EngineRequest) {
    this.headers = headers;
    this.url = url;
    this.socket = socket;
    this._query = _query;
  }

  get connection(): IncomingMessage['socket'] {
    return this.socket;
  }
}

/** Lets go of the requests that connections began with. Nothing after this may set headers of an upgrade. */
export function forgetRequests(engine: Server['engine']): void {
  type Answer = ServerResponse | { req: IncomingMessage | undefined };
  engine.use((_request: IncomingMessage, response: Answer, next: () => void) => {
    // Of an upgrade it is Engine.IO's own object, and stays as long as the connection.
    if (!(response instanceof ServerResponse)) response.req = undefined;
    next();
  });
  // Before a namespace is connected.
  engine.on('connection', (connection: Connection) => {
    const request = new HandshakeRequest(connection.request as EngineRequest);
    Object.assign(connection, { request });
  });
}
