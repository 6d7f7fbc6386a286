import { CastError } from '../../protocol/errors.js';

/** Bounds of the advice when to try again, in milliseconds. */
const MIN_RETRY_AFTER_MS = 1_000;
const MAX_RETRY_AFTER_MS = 60_000;

/**
 * A refusal with advice when to try again: after about one turn of that model.
 * @param turnMs how long a turn of it takes, as far as that is known
 */
export function comeBack(
  code: 'queue_full' | 'rate_limited',
  turnMs = MIN_RETRY_AFTER_MS,
): CastError {
  const retryAfterMs = Math.min(Math.max(turnMs, MIN_RETRY_AFTER_MS), MAX_RETRY_AFTER_MS);
  return new CastError(code, { retryAfterMs: Math.round(retryAfterMs) });
}

/** Puts such advice on a refusal of the line; any other error stays what it is. */
export function advised(error: unknown, turnMs: number | undefined): unknown {
  const code = error instanceof CastError ? error.code : undefined;
  return code === 'queue_full' || code === 'rate_limited' ? comeBack(code, turnMs) : error;
}
