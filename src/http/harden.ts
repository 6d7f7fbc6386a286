import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import helmet from 'helmet';

/** A request id that a caller or proxy gave is kept if it looks like one. */
const REQUEST_ID = /^[\w.-]{1,64}$/;

const setSecurityHeaders = helmet({
  // The proxy that ends TLS decides on HSTS; plain HTTP in a home network must go on to work.
  hsts: false,
  contentSecurityPolicy: {
    directives: {
      defaultSrc: ["'self'"],
      scriptSrc: ["'self'"],
      imgSrc: ["'self'", 'data:'],
      frameAncestors: ["'none'"],
      upgradeInsecureRequests: null,
    },
  },
});

/** What every answer of both servers has: a request id, and headers that browsers heed. */
export function harden(request: IncomingMessage, response: ServerResponse): void {
  const given = String(request.headers['x-request-id'] ?? '');
  response.setHeader('X-Request-Id', REQUEST_ID.test(given) ? given : randomUUID());
  setSecurityHeaders(request, response, () => undefined);
}
