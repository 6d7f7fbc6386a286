import { CastError } from './cast-error.js';
import type { ModelList, Refusal } from './protocol.js';

/**
 * The models that can be asked, over REST.
 * @param token of the user, if there is one
 * @throws CastError what the server says, or `unreachable`
 */
export async function modelsAt(
  restUrl: string,
  token: string | undefined,
): Promise<ModelList['models']> {
  const headers = new Headers(token === undefined ? [] : [['authorization', `Bearer ${token}`]]);
  const response = await fetch(`${restUrl}/llm/models`, { headers }).catch((cause: unknown) => {
    throw unreachable('The server cannot be reached.', cause);
  });
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok && body !== undefined) return (body as ModelList).models;
  // What a proxy says instead of the server is a page in HTML.
  if (body === undefined)
    throw unreachable(`The server does not answer (HTTP ${response.status}).`);
  throw new CastError(body as Refusal);
}

function unreachable(message: string, cause?: unknown): CastError {
  return new CastError({ code: 'unreachable', message, retryable: true }, cause);
}
