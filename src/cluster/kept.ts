import { setTimeout as sleep } from 'node:timers/promises';
import type { Generation } from '../generations/generation.js';
import type { Followers } from './followers.js';
import { birthOf, hashOf, runningOf, streamOf } from './keys.js';
import type { RedisClient } from './redis.js';

/** How long Redis is asked whether a generation is still this node's, in milliseconds. */
const CONFIRM_MS = 1_000;
const CONFIRM_AGAIN_MS = 50;

/** A generation of this node, and how much of it Redis has. */
export interface Kept {
  readonly generation: Generation;
  readonly fields: readonly string[];
  /** The request as JSON, for whoever takes it over; undefined once it has begun. */
  request: (() => string) | undefined;
  readonly unfollow: () => void;
  epoch: number;
  /** Last seq that Redis has. */
  cursor: number;
  stateIsNew: boolean;
  /** Redis has lost it, or never had it. */
  isGone: boolean;
  dueAt: number;
  /** When Redis was last asked that has then said that it is this node's, in milliseconds. */
  confirmedAt: number;
  readonly followers: Followers;
}

/** Keys of the script `append` for these, which all were born on one node. */
export function keysOf(redis: RedisClient, some: readonly Kept[]): string[] {
  return [
    runningOf(birthOf(some[0]?.generation.id ?? '') ?? ''),
    ...some.flatMap(({ generation: { id } }) => [hashOf(id), streamOf(id)]),
  ].map((key) => redis.prefix + key);
}

/**
 * Asks Redis whether a generation is still this node's.
 * @param begins from now on no other node begins anew with it
 * @returns false where another node has it; true also where Redis does not answer in a second
 */
export async function confirmed(
  redis: RedisClient,
  kept: Kept,
  begins: boolean,
  lifetimeMs: number,
): Promise<boolean> {
  const { generation, epoch } = kept;
  const until = performance.now() + CONFIRM_MS;
  do {
    const askedAt = performance.now();
    const { cursor } = kept;
    // Nothing is kept by it.
    const call = [generation.id, epoch, cursor + 1, cursor, '', lifetimeMs, '', '', [], begins];
    try {
      const keys = keysOf(redis, [kept]);
      const [answer] = (await redis.run('append', keys, [JSON.stringify([call])])) as string[];
      if (answer !== 'fenced') kept.confirmedAt = askedAt;
      return answer !== 'fenced';
    } catch {
      await sleep(CONFIRM_AGAIN_MS);
    }
  } while (performance.now() < until);
  return true;
}
