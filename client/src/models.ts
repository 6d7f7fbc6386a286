import { asError, CastError, unreachable } from './cast-error.js';
import type { ModelList, Refusal } from './protocol.js';
import type { TokenSource } from './token.js';

/**
 * The models that can be asked, over REST.
 * @param token of the user, if there is one
 * @throws CastError what the server says, or `unreachable`: also where there should be a token and none is
 */
export async function modelsAt(
  restUrl: string,
  token: TokenSource | undefined,
): Promise<ModelList['models']> {
  const headers = await headersWith(token);
  const response = await fetch(`${restUrl}/llm/models`, { headers }).catch((cause: unknown) => {
    throw unreachable('The server cannot be reached.', cause);
  });
  const body = (await response.json().catch(() => undefined)) as Partial<
    ModelList & Refusal
  > | null;
  if (response.ok && Array.isArray(body?.models)) return body.models;
  if (typeof body?.code === 'string') throw new CastError(body as Refusal);
  // What a proxy says instead of the server is a page in HTML, or JSON of its own.
  throw unreachable(`The server does not answer (HTTP ${response.status}).`);
}

async function headersWith(token: TokenSource | undefined): Promise<Headers> {
  try {
    const given = await token?.();
    return new Headers(given === undefined ? given : { authorization: `Bearer ${given}` });
  } catch (cause) {
    throw unreachable(`No token: ${asError(cause).message}`, cause);
  }
}
