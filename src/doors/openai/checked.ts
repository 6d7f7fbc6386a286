import type { z } from 'zod';
import { CastError } from '../../protocol/errors.js';
import { invalidRequest } from '../../http/validation.js';

/** What OpenAI calls a field of ours; of a chat completion. */
const NAMES: Readonly<Record<string, string>> = {
  'options.num_predict': 'max_completion_tokens',
  format: 'response_format',
  think: 'reasoning_effort',
};

/**
 * What a schema of our own makes of a translated request: its bounds are those of our own doors.
 * @throws CastError `invalid_request`, with the fields as OpenAI calls them
 */
export function checked<T>(schema: z.ZodType<T>, translated: unknown): T {
  const result = schema.safeParse(translated);
  if (result.success) return result.data;
  const { details = [] } = invalidRequest(result.error.issues);
  throw new CastError('invalid_request', {
    details: details.map(({ path, message }) => ({
      path: NAMES[path] ?? path.replace(/^options\./, '').replace(/\.images\.\d+$/, '.content'),
      message,
    })),
  });
}
