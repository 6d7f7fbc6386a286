import type { Config } from '../config/config.js';
import type { Generation } from '../generations/generation.js';
import type { EndEntry } from '../generations/log/entry.js';
import { CastError } from '../protocol/errors.js';
import { append } from './append.js';
import { batchAfter } from './batch.js';
import type { RedisClient } from './redis.js';

/** How far beyond what is kept some reader may have seen: more than any answer has. */
const SEEN_BEYOND = 1_000_000_000;

/**
 * Writes what Redis does not have of a generation whose node was lost, and its end, which covers all
 * that some reader may have seen.
 * @param epoch the one of the fence that this node has put up
 * @param after seq of the last entry that Redis has
 * @returns the answer of the script `append`; "ok" where it has the end
 * @throws CastError `store_unavailable`
 */
export async function appendLost(
  redis: RedisClient,
  generation: Generation,
  epoch: number,
  after: number,
  { RETAIN_MS }: Pick<Config, 'RETAIN_MS'>,
): Promise<string> {
  const { id } = generation;
  const end = lostEnd(generation);
  generation.stopwatch.end();
  for (let last = after; ;) {
    const { json: items, seq, end: ending } = batchAfter(generation, last, end)!;
    const from = last + 1;
    const goesOn = { id, epoch, from, seq, items, ttlMs: RETAIN_MS };
    const { state } = end.said;
    const ends = { ending: state, state: JSON.stringify({ generationId: id, state }) };
    const [answer = ''] = await append(redis, [
      ending === undefined ? goesOn : { ...goesOn, ...ends },
    ]);
    if (answer !== 'ok' || ending !== undefined) return answer;
    last = seq;
  }
}

function lostEnd({ log }: Generation): EndEntry {
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
