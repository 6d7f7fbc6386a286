import type { IncomingMessage, Server } from 'node:http';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Express, NextFunction, Request, Response } from 'express';
import { ConfigError } from '../config/config-error.js';

/** What Socket.IO listens to; it stands in no router. */
const SOCKET_PATH = '/socket.io/';

/**
 * Lets requests come with `BASE_PATH` in front, as a proxy shows the server, and without it, where
 * the proxy takes it off. To be called when everything else listens to the servers: it goes first.
 * @throws ConfigError where it is the beginning of an address of ours: both would mean the same
 */
export function takeOffBasePath(
  app: NestExpressApplication,
  basePath: string,
  servers: ReadonlySet<Server>,
): void {
  if (basePath === '') return;
  const express: Express = app.getHttpAdapter().getInstance();
  const own = [SOCKET_PATH, ...express.router.stack.flatMap(({ route }) => route?.path ?? [])];
  if (own.some((path) => `${path}/`.startsWith(`${basePath}/`))) {
    throw new ConfigError(
      `BASE_PATH must not be ${basePath}, where the server has addresses itself.`,
    );
  }
  const takeOff = (request: IncomingMessage): void => {
    if (request.url?.startsWith(`${basePath}/`)) request.url = request.url.slice(basePath.length);
  };
  for (const server of servers) {
    server.prependListener('request', takeOff);
    // A server that listens for upgrades must answer each of them.
    if (server.listenerCount('upgrade') > 0) server.prependListener('upgrade', takeOff);
  }
}

/** The page finds everything beside itself: what is in a folder must have its slash. */
export function addSlash(app: NestExpressApplication, basePath: string): void {
  if (basePath === '') return;
  app.use((request: Request, response: Response, next: NextFunction) => {
    if (request.path === basePath) response.redirect(308, `${basePath}/`);
    else next();
  });
}
