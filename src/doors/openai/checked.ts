import type { z } from 'zod';
import { CastError } from '../../protocol/errors.js';
import { invalidRequest } from '../../http/validation.js';

/**
 * What a schema of our own makes of a translated request: its bounds are those of our own doors.
 * @param names what OpenAI calls fields of ours
 * @throws CastError `invalid_request`, with the fields as OpenAI calls them
 */
export function checked<T>(
  schema: z.ZodType<T>,
  translated: unknown,
  names: Readonly<Record<string, string>>,
): T {
  const result = schema.safeParse(translated);
  if (result.success) return result.data;
  throw renamed(invalidRequest(result.error.issues), names);
}

/**
 * What becomes of a request that is translated already: the server of the model may not know a field.
 * @param names what OpenAI calls fields of ours
 * @throws CastError `invalid_request`, with the fields as OpenAI calls them; what else `starting` throws
 */
export async function started<T>(
  starting: Promise<T>,
  names: Readonly<Record<string, string>>,
): Promise<T> {
  try {
    return await starting;
  } catch (error) {
    throw renamed(error, names);
  }
}

/** A refusal with the fields as OpenAI calls them; any other error as it is. */
function renamed(error: unknown, names: Readonly<Record<string, string>>): unknown {
  if (!(error instanceof CastError) || error.code !== 'invalid_request') return error;
  const { message: sentence, details = [] } = error;
  return new CastError('invalid_request', {
    message: sentence,
    details: details.map(({ path, message }) => ({
      path: names[path] ?? path.replace(/^options\./, '').replace(/\.images\.\d+$/, '.content'),
      message,
    })),
  });
}
