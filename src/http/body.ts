import { isUtf8 } from 'node:buffer';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import type { Config } from '../config/config.js';
import { CastError } from '../protocol/errors.js';

/**
 * Reads JSON bodies. Express's own parser would put U+FFFD in place of each byte that is not UTF-8,
 * and the model would be asked something else.
 */
export function readBodies(app: NestExpressApplication, { MAX_BODY_BYTES }: Config): void {
  app.useBodyParser('raw', { type: 'application/json', limit: MAX_BODY_BYTES });
  app.use((request: Request, _response: Response, next: NextFunction) => {
    const body: unknown = request.body;
    if (Buffer.isBuffer(body)) request.body = parse(body, request.get('content-type') ?? '');
    next();
  });
}

/** @throws CastError `unsupported_media_type`, `invalid_request` */
function parse(body: Buffer, contentType: string): unknown {
  const [, charset = 'utf-8'] = /;\s*charset\s*=\s*"?([^\s;"]*)/i.exec(contentType) ?? [];
  if (!/^utf-?8$/i.test(charset)) throw new CastError('unsupported_media_type');
  // RFC 8259, section 8.1.
  if (!isUtf8(body)) throw notJson('the body is not UTF-8');
  try {
    return JSON.parse(body.toString()) as unknown;
  } catch {
    throw notJson('the body is not JSON');
  }
}

function notJson(message: string): CastError {
  return new CastError('invalid_request', { details: [{ path: '', message }] });
}
