import { isUtf8 } from 'node:buffer';
import type { Request, RequestHandler } from 'express';
import { CastError } from '../protocol/errors.js';
import { parseExact } from '../protocol/exact-json.js';
import { measureJson, refuseLarge } from '../protocol/json-values.js';

/** Most that is put aside for a body before it is there. */
const FIRST_BYTES = 16_384;

/**
 * Reads the JSON body of a request into `request.body`. It copies what comes into one buffer: kept as
 * they come, pieces of one byte would take a hundred times their size. And it counts the values before
 * it makes them.
 * @param isJsonAnyway whether a body is JSON although its content type does not say so
 */
export function readJsonBody(
  mostBytes: number,
  isJsonAnyway: (request: Request) => boolean,
): RequestHandler {
  return (request, _response, next) => {
    if (!hasBody(request)) return next();
    // A body that is not JSON would otherwise look like a missing one.
    if (!isJsonInUtf8(request) && !isJsonAnyway(request)) {
      throw new CastError('unsupported_media_type');
    }
    const tooLarge = (): void => next(new CastError('payload_too_large'));
    const said = Number(request.headers['content-length'] ?? FIRST_BYTES);
    if (said > mostBytes) return tooLarge();

    let body = Buffer.allocUnsafe(Math.min(said, FIRST_BYTES));
    let length = 0;
    const onData = (piece: Buffer): void => {
      if (length + piece.length > mostBytes) {
        request.off('data', onData).off('end', onEnd);
        return tooLarge();
      }
      if (length + piece.length > body.length) {
        const size = Math.max(2 * body.length, length + piece.length);
        const larger = Buffer.allocUnsafeSlow(Math.min(size, mostBytes));
        body.copy(larger, 0, 0, length);
        body = larger;
      }
      length += piece.copy(body, length);
    };
    const onEnd = (): void => {
      try {
        request.body = parse(body.subarray(0, length));
      } catch (error) {
        return next(error);
      }
      next();
    };
    request.on('data', onData).once('end', onEnd);
  };
}

function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function isJsonInUtf8(request: Request): boolean {
  // What nearly all send, and all of them mean the same.
  if (request.headers['content-type'] === 'application/json') return true;
  const [, charset = 'utf-8'] =
    /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(request.headers['content-type'] ?? '') ?? [];
  return request.is('json') === 'json' && /^utf-?8$/i.test(charset);
}

/** @throws CastError; the parser's own error would quote the body, which is the prompt */
function parse(body: Buffer): unknown {
  // RFC 8259, section 8.1; Express's own parser would put U+FFFD in place of what is not UTF-8.
  if (!isUtf8(body)) throw notJson('the body is not UTF-8');
  const refused = refuseLarge(measureJson(body));
  if (refused !== undefined) throw refused;
  try {
    return parseExact(body.toString());
  } catch {
    throw notJson('the body is not JSON');
  }
}

function notJson(message: string): CastError {
  return new CastError('invalid_request', { details: [{ path: '', message }] });
}
