import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Express, NextFunction, Request, Response } from 'express';
import type { Config } from '../config/config.js';
import { CastError } from '../protocol/errors.js';
import { asyncApi } from './async-api.js';
import { Audit } from '../access/audit.js';
import { checkAdmin } from './authenticate.js';
import { openApi } from './open-api.js';

/** Swagger UI as its makers package it: a dependency of `@nestjs/swagger`, wherever that has it. */
const SWAGGER_UI = dirname(
  createRequire(import.meta.resolve('@nestjs/swagger')).resolve('swagger-ui-dist/package.json'),
);

/** Where the documents are. They say what an attacker would ask. */
const DOCUMENTS = ['/docs', '/docs-json', '/asyncapi.json'];

/** In place of the packaged one, which shows a pet store and loads a badge from swagger.io. */
const INITIALIZER = `window.ui = SwaggerUIBundle({
  url: '../docs-json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null,
});
`;

/**
 * Serves the documents and the page that shows them. They are made when they are first asked for: a
 * server that only streams pays nothing for them.
 * @param socketServer what Socket.IO listens on, once it does
 */
export function serveApiDocs(
  app: NestExpressApplication,
  config: Config,
  socketServer: Server,
): void {
  const express: Express = app.getHttpAdapter().getInstance();
  const audit = app.get(Audit, { strict: false });
  let rest: ReturnType<typeof openApi> | undefined;

  express.use(DOCUMENTS, (request: Request, _response: Response, next: NextFunction) => {
    checkAdmin(request, config, audit);
    // Source maps of Swagger UI: 8 MB that nobody needs.
    if (request.path.endsWith('.map')) throw new CastError('not_found');
    next();
  });
  express.get('/docs-json', async (_request, response) => {
    rest ??= openApi(app, config.BASE_PATH);
    response.json(await rest);
  });
  express.get('/asyncapi.json', (request, response) => {
    const { port } = socketServer.address() as AddressInfo;
    response.json(asyncApi(`${request.hostname}:${port}`));
  });
  express.get('/docs/swagger-initializer.js', (_request, response) => {
    response.type('text/javascript').send(INITIALIZER);
  });
  // What the static files answer would lose the path of a proxy.
  express.get('/docs', (request, response, next) =>
    request.path === '/docs' ? response.redirect(308, 'docs/') : next(),
  );
  app.useStaticAssets(SWAGGER_UI, { prefix: '/docs' });
}
