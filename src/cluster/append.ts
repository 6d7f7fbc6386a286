import { birthOf, hashOf, runningOf, streamOf } from './keys.js';
import type { RedisClient } from './redis.js';

/** What is appended to what Redis has of one generation. */
export interface Append {
  readonly id: string;
  readonly epoch: number;
  /** The first and the last seq of the items. */
  readonly from: number;
  readonly seq: number;
  /** JSON of a batch; none by default. */
  readonly items?: string;
  /** How long it lives from its first entry, and from its end, in milliseconds; only with items. */
  readonly ttlMs?: number;
  /** State of its end; by default it goes on. */
  readonly ending?: string | undefined;
  /** What it does, as JSON; by default there is no news. */
  readonly state?: string;
  /** Of the nodes that follow it; none by default. */
  readonly channels?: readonly string[];
  /** What is said next is its first entry. */
  readonly begins?: boolean;
}

/**
 * Runs the script `append` for generations that were all born on one node.
 * @returns its answer for each
 * @throws CastError `store_unavailable`
 */
export async function append(redis: RedisClient, all: readonly Append[]): Promise<string[]> {
  const birth = birthOf(all[0]?.id ?? '') ?? '';
  const keys = [redis.prefix + runningOf(birth)];
  const heads: unknown[] = [];
  // Beside the other arguments and not in them: it is JSON already.
  const items: string[] = [];
  for (const one of all) {
    keys.push(redis.prefix + hashOf(one.id), redis.prefix + streamOf(one.id));
    const { id, epoch, from, seq, ttlMs = 0, ending = '', state = '' } = one;
    const { channels = [], begins = false } = one;
    const heard = channels.map((channel) => redis.prefix + channel);
    heads.push([id, epoch, from, seq, ttlMs, ending, state, heard, begins]);
    items.push(one.items ?? '');
  }
  return (await redis.run('append', keys, [JSON.stringify(heads), ...items])) as string[];
}
