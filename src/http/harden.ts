import { randomUUID } from 'node:crypto';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import helmet, { type HelmetOptions } from 'helmet';

/** A request id that a caller or proxy gave is kept if it looks like one. */
const REQUEST_ID = /^[\w.-]{1,64}$/;

const SECURITY_HEADERS = headersOf({
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
  for (const [name, value] of SECURITY_HEADERS) response.setHeader(name, value);
}

/** What helmet sets, with these options, on each response: it is the same for all. */
function headersOf(options: HelmetOptions): readonly (readonly [string, string])[] {
  const request = new IncomingMessage(new Socket());
  const response = new ServerResponse(request);
  const headers = new Map<string, string>();
  response.setHeader = (name, value) => {
    headers.set(name, String(value));
    return response;
  };
  helmet(options)(request, response, () => undefined);
  return [...headers];
}
