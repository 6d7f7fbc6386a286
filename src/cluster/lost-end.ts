import type { Generation } from '../generations/generation.js';
import type { EndEntry } from '../generations/log/entry.js';
import { CastError } from '../protocol/errors.js';

/** How far beyond what is kept some reader may have seen: more than any answer has. */
const SEEN_BEYOND = 1_000_000_000;

/** The end of a generation whose node was lost; it covers all that some reader may have seen. */
export function lostEnd({ log }: Generation): EndEntry {
  const { code, message } = new CastError('node_lost');
  const from = log.seq + 1;
  return {
    seq: log.seq + SEEN_BEYOND,
    from,
    said: {
      type: 'end',
      state: 'interrupted',
      code,
      detail: message,
      retryable: from === 1,
      retryAfterMs: undefined,
      ...log.proofSoFar(),
    },
  };
}
