import { readdirSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { ROOT } from '../config/package.js';
import { CastError } from '../protocol/errors.js';

/** What `npm run build -w web` has made. */
const BUILT = fileURLToPath(new URL('web/dist', ROOT));
const NOT_BUILT = { message: 'The page was not built: npm run build -w web' };

/** How the build has compressed a file, beside it; of equally welcome ones the first. */
const CODINGS = [
  { coding: 'br', ending: '.br' },
  { coding: 'gzip', ending: '.gz' },
];

/** Names of the files in a folder of what was built; none where nothing was. */
export function builtFiles(folder: string): readonly string[] {
  return namesIn(folder)
    .filter((name) => !CODINGS.some(({ ending }) => name.endsWith(ending)))
    .map((name) => `${folder}/${name}`);
}

/** Answers with a file that the build has made, compressed where the caller takes it. */
export function builtFile(file: string, caching: string): RequestHandler {
  const there = new Set(namesIn(dirname(file)));
  const type = TYPES[extname(file)];
  if (type === undefined) throw new TypeError(`${file} has no media type here`);
  const codings = CODINGS.filter(({ ending }) => there.has(basename(file) + ending));
  return (request: Request, response: Response, next: NextFunction): void => {
    const best = preferred(codings, request.get('accept-encoding') ?? '');
    const headers = {
      'Cache-Control': caching,
      ...(best !== undefined && { 'Content-Encoding': best.coding }),
      'Content-Type': type,
    };
    if (codings.length > 0) response.vary('Accept-Encoding');
    const options = { root: BUILT, headers, cacheControl: false };
    response.sendFile(file + (best?.ending ?? ''), options, (error) => {
      if (error && !response.headersSent) next(new CastError('not_found', NOT_BUILT));
    });
  };
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(join(BUILT, folder));
  } catch {
    return [];
  }
}

/** @param accept the header (RFC 9110, section 12.5.3): names with a weight from 0, never, to 1 */
function preferred<T extends { coding: string }>(codings: readonly T[], accept: string) {
  const weights = new Map(
    accept.split(',').map((item) => {
      const [name = '', weight = ''] = item
        .trim()
        .toLowerCase()
        .split(/\s*;\s*q=/);
      return [name, weight === '' ? 1 : Number(weight)];
    }),
  );
  const weightOf = ({ coding }: T): number => weights.get(coding) ?? weights.get('*') ?? 0;
  const [best] = codings.toSorted((one, other) => weightOf(other) - weightOf(one));
  return best !== undefined && weightOf(best) > 0 ? best : undefined;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webmanifest': 'application/manifest+json',
  '.woff2': 'font/woff2',
};
