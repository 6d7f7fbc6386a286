import type { Server } from 'node:http';
import { randomUUID } from 'node:crypto';
import type { CorsOptions } from '@nestjs/common/interfaces/external/cors-options.interface.js';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import helmet, { contentSecurityPolicy } from 'helmet';
import type { Config } from '../config/config.js';
import { CastError } from '../protocol/errors.js';
import { isAllowedRequest, isListed } from './origins.js';

/** Longest time a request may take to send its headers, and all of itself. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 120_000;
/** Most header lines of a request; Node itself bounds their bytes to 16 KiB. */
const MAX_HEADERS = 100;
/** A request id that a caller or proxy gave is kept if it looks like one. */
const REQUEST_ID = /^[\w.-]{1,64}$/;

/** What every answer has: a request id, and headers that browsers heed. */
export function hardenHttp(app: NestExpressApplication, config: Config): void {
  app.disable('x-powered-by');
  app.set('trust proxy', config.TRUST_PROXY);
  app.use(nameRequest);
  app.use(
    helmet({
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
    }),
  );
}

/** What stands before every route: who may ask, what may be sent. */
export function admitHttp(app: NestExpressApplication, config: Config): void {
  app.use((request: Request, _response: Response, next: NextFunction) => {
    if (!isAllowedRequest(request, config)) throw new CastError('forbidden', FOREIGN);
    next();
  });
  app.enableCors(corsHeaders(config));
  app.use(requireJson);
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
      exposedHeaders: ['Location', 'Retry-After', 'X-Request-Id'],
    });
}

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

const FOREIGN = { message: 'This origin or host name is not allowed here; see CORS_ORIGINS.' };

/** Bounds what one peer can hold of a server. */
export function boundServer(server: Server, config: Config): void {
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  // Whoever closes an idle connection first must be the proxy: ours would meet its next request.
  server.keepAliveTimeout = config.KEEP_ALIVE_TIMEOUT_MS;
  server.maxHeadersCount = MAX_HEADERS;
  server.maxConnections = config.MAX_CONNECTIONS;
}

function nameRequest(request: Request, response: Response, next: NextFunction): void {
  const given = request.get('x-request-id') ?? '';
  response.setHeader('X-Request-Id', REQUEST_ID.test(given) ? given : randomUUID());
  next();
}

/** A body that is not JSON would otherwise look like a missing one. */
function requireJson(request: Request, _response: Response, next: NextFunction): void {
  const hasBody =
    request.headers['transfer-encoding'] !== undefined ||
    Number(request.headers['content-length'] ?? 0) > 0;
  if (hasBody && !request.is('json')) throw new CastError('unsupported_media_type');
  next();
}
