import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { DynamicModule } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Express, NextFunction, Request, Response } from 'express';
import type { Config } from '../config/config.js';
import { CastError } from '../protocol/errors.js';
import { decide } from '../generations/asked.js';
import { pagePolicy } from './security.js';
import { ROOT } from '../config/package.js';

/** What `npm run build -w web` has made. */
const BUILT = fileURLToPath(new URL('web/dist', ROOT));
/** The views; which one it is, the page sees from its own address. */
const VIEWS = ['/', '/doctor'];

const NOT_BUILT = { message: 'The page was not built: npm run build -w web' };

/** What the demo adds to the page. */
export interface PageDemo {
  /** Offered where a conversation begins. */
  questions: readonly string[];
  /** Where the page is to find Socket.IO: the demo's fault proxy. */
  socketPort: number;
  /** Its own routes. */
  module: DynamicModule;
}

/**
 * Serves the chat page and, as `/page.json`, what it has to know.
 * @param socketServer what Socket.IO listens on, once it does
 */
export function servePage(
  app: NestExpressApplication,
  config: Config,
  socketServer: Server,
  demo?: PageDemo,
): void {
  const express: Express = app.getHttpAdapter().getInstance();
  const isShared = socketServer === app.getHttpServer() && demo === undefined;
  const socketPort = (): number => demo?.socketPort ?? (socketServer.address() as AddressInfo).port;
  // On one port it is where the page is, whatever name and port a proxy gives both.
  const socketUrl = config.PUBLIC_SOCKET_URL ?? (isShared ? '/' : null);

  express.get('/page.json', (_request, response) => {
    response.json({
      socketUrl,
      socketPort: socketPort(),
      model: decide({ endpoint: 'chat', messages: [] }, config).model,
      allowPull: config.ALLOW_PULL,
      maxRequestBytes: config.MAX_BODY_BYTES,
      demo: demo === undefined ? null : { questions: demo.questions },
    });
  });

  const socketOrigin = (request: Request): string => {
    const page = `${request.protocol}://${request.get('host') ?? ''}`;
    const url = new URL(socketUrl ?? page, page);
    if (socketUrl === null) url.port = String(socketPort());
    return url.origin;
  };
  // The names of its scripts change with each build.
  express.get(VIEWS, pagePolicy(socketOrigin), built('index.html', 'no-cache'));
}

/**
 * The scripts, styles and icon of the page; the page itself has a policy and comes from `servePage`
 * only. They are public, and a browser names an origin when it fetches them: behind a proxy that
 * hides our name the page would stay blank, instead of telling so.
 */
export function servePageFiles(app: NestExpressApplication): void {
  const assets = { prefix: '/assets', index: false as const, immutable: true, maxAge: '1y' };
  app.useStaticAssets(`${BUILT}/assets`, assets);
  const express: Express = app.getHttpAdapter().getInstance();
  // Its name stays when it changes.
  express.get('/icon.svg', built('icon.svg', 'public, max-age=86400'));
}

/** Answers with one of the files that the build has made. */
function built(file: string, caching: string) {
  const options = { root: BUILT, headers: { 'Cache-Control': caching }, cacheControl: false };
  return (_request: Request, response: Response, next: NextFunction): void =>
    response.sendFile(file, options, (error) => {
      if (error && !response.headersSent) next(new CastError('not_found', NOT_BUILT));
    });
}
