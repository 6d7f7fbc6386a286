import { createServer, IncomingMessage, ServerResponse } from 'node:http';
import type { NestApplicationOptions } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';

/**
 * Express on a server that makes requests and responses with Express's own prototypes. Otherwise Express
 * puts them on each one later, and V8 then gives every single object a hidden class of its own: whatever
 * reads it, Node's own code too, has to look up each property anew.
 */
export class SharedShapeAdapter extends ExpressAdapter {
  override initHttpServer({ forceCloseConnections = false }: NestApplicationOptions): void {
    const app = this.getInstance();
    class ExpressRequest extends IncomingMessage {}
    class ExpressResponse extends ServerResponse {}
    Object.setPrototypeOf(ExpressRequest.prototype, app.request);
    Object.setPrototypeOf(ExpressResponse.prototype, app.response);
    app.request = ExpressRequest.prototype;
    app.response = ExpressResponse.prototype;
    const shapes = { IncomingMessage: ExpressRequest, ServerResponse: ExpressResponse };
    this.httpServer = createServer(shapes, app);
    if (forceCloseConnections) this['trackOpenConnections']();
  }
}
