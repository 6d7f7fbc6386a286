import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { DynamicModule } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Express, Request } from 'express';
import type { Config } from '../config/config.js';
import { decide, isAllowed } from '../generations/asked.js';
import { builtFile, builtFiles } from './built-files.js';
import { pagePolicy } from './security.js';

/** The views; which one it is, the page sees from its own address. */
const VIEWS = ['/', '/doctor'];
/** What a device needs to install the page. */
const ICONS = ['icon.svg', 'icon-180.png', 'icon-512.png', 'manifest.webmanifest'];
const ONE_YEAR = 'public, max-age=31536000, immutable';

/** What the demo adds to the page. */
export interface PageDemo {
  /** Offered where a conversation begins. */
  questions: readonly string[];
  /** One whose answer takes so long that there is time to break it. */
  longQuestion: string;
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
  // On one port it is where the page is, whatever name, port and path a proxy gives both.
  const { PUBLIC_SOCKET_URL: publicUrl, BASE_PATH } = config;
  const socketUrl =
    publicUrl === undefined ? (isShared ? './' : null) : publicUrl.replace(/\/$/, '') + BASE_PATH;

  const { model } = decide({ endpoint: 'chat', messages: [] }, config);
  const { ALLOWED_MODELS: allowed } = config;
  express.get('/page.json', (_request, response) => {
    response.json({
      socketUrl,
      socketPort: socketPort(),
      socketTransports: config.SOCKET_TRANSPORTS,
      model,
      // Callers who name no model get it all the same, and no list shows it.
      isModelHidden: allowed.length > 0 && !isAllowed(model, allowed),
      allowPull: config.ALLOW_PULL,
      maxRequestBytes: config.MAX_BODY_BYTES,
      demo:
        demo === undefined ? null : { questions: demo.questions, longQuestion: demo.longQuestion },
    });
  });

  const socketOrigin = (request: Request): string => {
    const page = `${request.protocol}://${request.get('host') ?? ''}`;
    const url = new URL(socketUrl ?? page, page);
    if (socketUrl === null) url.port = String(socketPort());
    // A policy has no notation for the address (CSP Level 3, section 2.3.1): any host on that port.
    return url.origin.replace(/\[.*\]/, '*');
  };
  // Behind a slash everything beside the page would be looked for in a folder.
  express.get('/doctor', (request, response, next) =>
    request.path.endsWith('/') ? response.redirect(308, '../doctor') : next(),
  );
  // The names of its scripts change with each build.
  express.get(VIEWS, pagePolicy(socketOrigin), builtFile('index.html', 'no-cache'));
}

/**
 * The scripts, styles and icon of the page; the page itself has a policy and comes from `servePage`
 * only. They are public, and a browser names an origin when it fetches them: behind a proxy that
 * hides our name the page would stay blank, instead of telling so.
 */
export function servePageFiles(app: NestExpressApplication): void {
  const express: Express = app.getHttpAdapter().getInstance();
  for (const file of builtFiles('assets')) express.get(`/${file}`, builtFile(file, ONE_YEAR));
  // Their names stay when they change.
  for (const file of ICONS) express.get(`/${file}`, builtFile(file, 'public, max-age=86400'));
  express.get('/sw.js', builtFile('sw.js', 'no-cache'));
}
