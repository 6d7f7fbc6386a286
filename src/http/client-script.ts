import { fileURLToPath } from 'node:url';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Express } from 'express';
import { ROOT } from '../config/package.js';
import { CastError } from '../protocol/errors.js';

/** What `scripts/bundle.mjs` has made of the client package, socket.io-client included. */
const SCRIPT = fileURLToPath(new URL('dist/browser/client.js', ROOT));
const NOT_BUILT = { message: 'The script was not built: npm run build' };

/**
 * Serves the client package as one module, for pages that use no package registry. Pages of any
 * origin may load it: it is public, and what it asks for is checked where it asks.
 */
export function serveClientScript(app: NestExpressApplication): void {
  const express: Express = app.getHttpAdapter().getInstance();
  const headers = {
    'Access-Control-Allow-Origin': '*',
    'Cross-Origin-Resource-Policy': 'cross-origin',
    // Its name stays when it changes.
    'Cache-Control': 'no-cache',
  };
  express.get('/client.js', (_request, response, next) =>
    response.sendFile(SCRIPT, { headers, cacheControl: false }, (error) => {
      if (error && !response.headersSent) next(new CastError('not_found', NOT_BUILT));
    }),
  );
}
