import type { Server } from 'node:http';
import { randomUUID } from 'node:crypto';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import helmet from 'helmet';
import type { Config } from './config.js';
import { CastError } from './errors.js';
import { isAllowedRequest } from './origins.js';

/** Longest time a request may take to send its headers, and all of itself. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 120_000;
/** Most header lines of a request; Node itself bounds their bytes to 16 KiB. */
const MAX_HEADERS = 100;
/** A request id that a caller or proxy gave is kept if it looks like one. */
const REQUEST_ID = /^[\w.-]{1,64}$/;

/** What stands before every route: request id, headers, who may ask, what may be sent. */
export function secureHttp(app: NestExpressApplication, config: Config): void {
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
  app.use((request: Request, _response: Response, next: NextFunction) => {
    if (!isAllowedRequest(request, config)) throw new CastError('forbidden', FOREIGN);
    next();
  });
  // Whoever comes so far is allowed: the origin is only repeated.
  app.enableCors({
    origin: true,
    allowedHeaders: ['Content-Type', 'Idempotency-Key', 'Last-Event-ID', 'X-Request-Id'],
    exposedHeaders: ['Location', 'Retry-After', 'X-Request-Id'],
  });
  app.use(requireJson);
}

const FOREIGN = { message: 'This origin or host name is not allowed here; see CORS_ORIGINS.' };

/** Bounds what one peer can hold of a server. */
export function boundServer(server: Server, config: Config): void {
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
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
