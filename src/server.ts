import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type DynamicModule, Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { trustProxy } from './access/client-address.js';
import { authenticateHttp } from './http/authenticate.js';
import { serveApiDocs } from './http/api-docs.js';
import { AppModule } from './app.module.js';
import type { Config } from './config/config.js';
import { closeDoors, isJsonAnyway, refusalAtDoor, refuseAtDoor } from './doors/doors.js';
import { answerProbe } from './doors/ollama/probe.js';
import { serveClientScript } from './http/client-script.js';
import { addSlash, takeOffBasePath } from './http/base-path.js';
import { HttpErrorFilter } from './http/http-error-filter.js';
import { validation } from './http/validation.js';
import { readJsonBody } from './http/json-body.js';
import { SharedShapeAdapter } from './http/shared-shape-adapter.js';
import { guardRequests } from './http/request-guard.js';
import { admitHttp, BACKLOG, boundServer, corsHeaders } from './http/security.js';
import { MAX_UNFINISHED_BODIES, UnfinishedInput } from './http/unfinished-input.js';
import { Lifecycle } from './generations/lifecycle.js';
import { Peers } from './generations/peers.js';
import { ServerLogger } from './telemetry/logger.js';
import { isAllowedRequest } from './http/origins.js';
import { type PageDemo, servePage, servePageFiles } from './http/page.js';
import { SocketAdapter } from './socket/socket.adapter.js';

/** A running llm-cast. */
export interface RunningServer {
  /** Where REST answers, and where Socket.IO does (without the namespace). */
  url: string;
  socketUrl: string;
  /** Drains and stops, as SIGTERM does. */
  close(): Promise<void>;
}

/**
 * Starts both servers.
 * @param demo what the demo adds to the page
 * @throws Error when a port cannot be listened on; nothing is left open then
 */
export async function startServer(config: Config, demo?: PageDemo): Promise<RunningServer> {
  const log = new ServerLogger(config);
  // Nodes connect to Redis before there is an application, and tell of their trouble.
  Logger.overrideLogger(log);
  const app = await NestFactory.create<NestExpressApplication>(
    AppModule.with(config, demo?.module, await nodesOf(config)),
    new SharedShapeAdapter(),
    {
      bodyParser: false,
      // A kept-alive HTTP connection must not hold up the end.
      forceCloseConnections: true,
      logger: log,
      abortOnError: false,
    },
  );
  const lifecycle = app.get(Lifecycle, { strict: false });
  app.disable('x-powered-by');
  app.set('trust proxy', trustProxy(config));
  addSlash(app, config.BASE_PATH);
  servePageFiles(app);
  serveClientScript(app);
  if (config.DOORS.includes('ollama')) app.use(answerProbe);
  admitHttp(app, config);
  app.use(closeDoors(config));
  authenticateHttp(app);
  app.use(readJsonBody(config.MAX_BODY_BYTES, isJsonAnyway));
  app.useGlobalPipes(validation);
  app.useGlobalFilters(new HttpErrorFilter(refuseAtDoor, lifecycle));
  app.enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: true });
  const isAllowed = (request: IncomingMessage): boolean => isAllowedRequest(request, config);
  const unfinished = new UnfinishedInput(MAX_UNFINISHED_BODIES * config.MAX_BODY_BYTES);
  const sockets = new SocketAdapter(
    app,
    config,
    app.get(Peers, { strict: false }).tag,
    isAllowed,
    corsHeaders(config),
    (socket) => unfinished.watchMessages(socket),
  );
  app.useWebSocketAdapter(sockets);
  const servers = new Set([app.getHttpServer(), sockets.listener]);
  for (const server of servers) boundServer(server, config);
  sockets.listener.once('close', () => unfinished.close());
  serveApiDocs(app, config, sockets.listener);
  servePage(app, config, sockets.listener, demo);

  try {
    // Socket.IO attaches itself.
    await app.init();
    for (const server of servers) guardRequests(server, unfinished, lifecycle, refusalAtDoor);
    takeOffBasePath(app, config.BASE_PATH, servers);
    // Nest hands on to Node what its types do not know.
    await app.listen({ port: config.PORT, host: config.HOST, backlog: BACKLOG } as never);
    const { port } = app.getHttpServer().address() as AddressInfo;
    const url = httpUrl(config.HOST, port);
    const socketUrl = httpUrl(config.HOST, await sockets.listen(BACKLOG));
    const logger = new Logger('Server');
    logger.log(`REST on ${url}, Socket.IO on ${socketUrl}/events`);
    logger.log(`chat page on ${pageUrl(url)}, API documents on ${pageUrl(url)}/docs`);
    return { url, socketUrl, close: () => app.close() };
  } catch (error) {
    await app.close();
    throw error;
  }
}

/** Where a browser on this machine finds the page. */
function pageUrl(url: string): string {
  return url.replace(/\/\/(127\.0\.0\.1|0\.0\.0\.0|\[::1?\])/, '//localhost');
}

/** Only several nodes need Redis, and what speaks to it. */
async function nodesOf({ REDIS_URL: urls, ...config }: Config): Promise<DynamicModule | undefined> {
  if (urls === undefined) return undefined;
  const { ClusterModule } = await import('./cluster/cluster.module.js');
  return ClusterModule.connect(urls, { REDIS_URL: urls, ...config });
}

function httpUrl(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
