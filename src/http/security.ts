import type { Server } from 'node:http';
import type { CorsOptions } from '@nestjs/common/interfaces/external/cors-options.interface.js';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { contentSecurityPolicy } from 'helmet';
import type { Config } from '../config/config.js';
import { CastError } from '../protocol/errors.js';
import { isAllowedRequest, isListed } from './origins.js';
import { MAX_HEADERS } from './request-form.js';
import { cutUnread } from './unread-output.js';

/** Longest time a request may take to send its headers, and all of itself; see also `UnfinishedInput`. */
export const HEADERS_TIMEOUT_MS = 10_000;
export const REQUEST_TIMEOUT_MS = 300_000;
/** How often Node looks whether one has taken longer. */
const TIMEOUT_CHECK_MS = 1_000;

/**
 * Most connections that wait to be accepted; the kernel's own bound (`net.core.somaxconn`) counts too. When
 * all clients come back at once they are more than Node's 511, and who finds no room tries again after a
 * second, and then after two.
 */
export const BACKLOG = 4_096;

/** What balancers ask; some with a slash at the end. */
const PROBE = /^\/health\/(live|ready)\/?$/;

/** What stands before every route: who may ask, what may be sent. */
export function admitHttp(app: NestExpressApplication, config: Config): void {
  app.use((request: Request, response: Response, next: NextFunction) => {
    // HTTP/1.0 needs no Host, and a probe of HAProxy has none. A browser always sends it.
    const isProbe = request.headers.host === undefined && PROBE.test(request.path);
    if (!isProbe && !isAllowedRequest(request, config)) throw new CastError('forbidden', FOREIGN);
    // Answers are private. What may be kept says so itself.
    response.setHeader('Cache-Control', 'no-store');
    next();
  });
  app.enableCors(corsHeaders(config));
}

/**
 * What an allowed page is told (Fetch, section 3.3). Whoever comes so far is allowed: the origin and
 * the headers that it asks for are only repeated. Cookies, and a proxy's credentials, are for the
 * origins that the operator has named.
 */
export function corsHeaders(config: Config) {
  return (
    request: { headers: { origin?: string | undefined } },
    answer: (error: null, options: CorsOptions) => void,
  ): void =>
    answer(null, {
      origin: true,
      credentials: isListed(request.headers.origin ?? '', config),
      exposedHeaders: EXPOSED,
    });
}

/** What pages on other origins may read of an answer's headers. */
const EXPOSED = [
  'Location',
  'Retry-After',
  'X-Request-Id',
  'X-LLM-Cast-Generation-Id',
  'X-Workflow-Run-Id',
  'X-Workflow-Stream-Tail-Index',
];

/**
 * The policy of our own page, stricter than that of the API documents: no inline style, no form, and
 * connections only to this server. Models write what the page shows.
 * @param socketOrigin where Socket.IO is for the page that is asked for, such as `http://host:4321`
 */
export function pagePolicy(socketOrigin: (request: Request) => string): RequestHandler {
  return (request, response, next) => {
    const origin = socketOrigin(request);
    const policy = contentSecurityPolicy({
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        connectSrc: ["'self'", origin, origin.replace(/^http/, 'ws')],
        objectSrc: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    });
    policy(request, response, next);
  };
}

const FOREIGN = {
  message: 'This origin or host name is not allowed here; see CORS_ORIGINS and ALLOWED_HOSTS.',
};

/** Bounds what one peer can hold of a server. */
export function boundServer(server: Server, config: Config): void {
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  // The proxy must be the first to close an idle connection: our close would meet its next request.
  server.keepAliveTimeout = config.KEEP_ALIVE_TIMEOUT_MS;
  // An option of Node's that its types know only of the constructor; it is read at `listen`.
  Object.assign(server, { connectionsCheckingInterval: TIMEOUT_CHECK_MS });
  // Node drops what is over it without a word, the proxy's own headers too; see `faultOf`.
  server.maxHeadersCount = MAX_HEADERS + 1;
  server.maxConnections = config.MAX_CONNECTIONS;
  cutUnread(server, config);
}
