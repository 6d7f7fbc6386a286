import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Request, RequestHandler, Response } from 'express';
import type { Config } from '../config/config.js';
import { CastError } from '../protocol/errors.js';
import type { Door } from './door.js';
import { aiSdkDoor } from './ai-sdk/door.js';
import { ollamaDoor } from './ollama/door.js';
import { openAiDoor } from './openai/door.js';
import { answerRefused, refusedBy } from './refused.js';

const DOORS: readonly Door[] = [openAiDoor, ollamaDoor, aiSdkDoor];

/** The door that a request is for; undefined for our own. Express finds a route by small and large letters alike. */
export function doorOf(path: string, headers: IncomingHttpHeaders): Door | undefined {
  const small = path.toLowerCase();
  return DOORS.find((door) => door.owns(small, headers));
}

/** Refuses what is asked of a door that the operator has closed, with the name of the setting. */
export function closeDoors({ DOORS: open }: Pick<Config, 'DOORS'>): RequestHandler {
  return (request, _response, next) => {
    const door = doorOf(request.path, request.headers);
    if (door === undefined || open.includes(door.name)) return next();
    next(
      new CastError('not_found', {
        message: `This server does not serve ${door.name} clients: its setting DOORS leaves out ${door.name}.`,
      }),
    );
  };
}

/** Answers a refused request in the shape of its door. @returns whether it has one */
export function refuseAtDoor(error: CastError, request: Request, response: Response): boolean {
  const door = doorOf(request.path, request.headers);
  if (door === undefined) return false;
  const refused = refusedBy(error);
  answerRefused(response, refused, door.refusal(refused));
  return true;
}

/** The body of a refusal in the shape of the request's door; undefined for our own. */
export function refusalAtDoor(
  error: CastError,
  { url = '', headers }: IncomingMessage,
): object | string | undefined {
  const [path = ''] = url.split('?', 1);
  return doorOf(path, headers)?.refusal(refusedBy(error));
}

/**
 * Whether the body of a request is JSON whatever its content type says. A page names its origin, and one
 * that may not ask was refused before; a browser that names none tells at least that it is one.
 */
export function isJsonAnyway({ path, headers }: Request): boolean {
  const { origin, 'sec-fetch-site': site } = headers;
  const takenOf = doorOf(path, headers)?.takesAnyContentType;
  return origin === undefined ? site === undefined && takenOf === 'programs' : takenOf === 'pages';
}
