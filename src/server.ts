import type { AddressInfo } from 'node:net';
import { type LogLevel, Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import { AppModule } from './app.module.js';
import type { Config } from './config.js';
import { CastError, HttpErrorFilter, validation } from './errors.js';
import { SocketAdapter } from './socket/socket.adapter.js';

/** From the least important level to the most. */
const LOG_LEVELS: readonly LogLevel[] = ['verbose', 'debug', 'log', 'warn', 'error', 'fatal'];

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
 * @throws Error when a port cannot be listened on; nothing is left open then
 */
export async function startServer(config: Config): Promise<RunningServer> {
  const app = await NestFactory.create<NestExpressApplication>(AppModule.with(config), {
    bodyParser: false,
    // A kept-alive HTTP connection must not hold up the end.
    forceCloseConnections: true,
    logger: LOG_LEVELS.slice(LOG_LEVELS.indexOf(config.LOG_LEVEL)),
    abortOnError: false,
  });
  app.disable('x-powered-by');
  app.set('trust proxy', config.TRUST_PROXY);
  app.use(requireJson);
  app.useBodyParser('json', { limit: config.MAX_BODY_BYTES });
  app.useGlobalPipes(validation);
  app.useGlobalFilters(new HttpErrorFilter());
  app.enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: true });
  const sockets = new SocketAdapter(app, config);
  app.useWebSocketAdapter(sockets);

  try {
    await app.listen(config.PORT, config.HOST);
    const { port } = app.getHttpServer().address() as AddressInfo;
    const url = httpUrl(config.HOST, port);
    const socketUrl = httpUrl(config.HOST, await sockets.listen());
    new Logger('Server').log(`REST on ${url}, Socket.IO on ${socketUrl}/events`);
    return { url, socketUrl, close: () => app.close() };
  } catch (error) {
    await app.close();
    throw error;
  }
}

/** A body that is not JSON would otherwise look like a missing one. */
function requireJson(request: Request, _response: Response, next: NextFunction): void {
  const hasBody =
    request.headers['transfer-encoding'] !== undefined ||
    Number(request.headers['content-length'] ?? 0) > 0;
  if (hasBody && !request.is('json')) throw new CastError('unsupported_media_type');
  next();
}

function httpUrl(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
