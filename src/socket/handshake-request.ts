import type { IncomingMessage } from 'node:http';
import type { Connection } from './cut-connection.js';

/** What Engine.IO adds to a request. */
type EngineRequest = IncomingMessage & { _query?: Record<string, string | undefined> };

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

/** To be called before a namespace is connected. */
export function forgetRequest(connection: Connection): void {
  Object.assign(connection, { request: new HandshakeRequest(connection.request) });
}
