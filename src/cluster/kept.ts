import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/config.js';
import type { Generation } from '../generations/generation.js';
import type { EndEntry } from '../generations/log/entry.js';
import type { Followers } from './followers.js';
import { type Append, append } from './append.js';
import { batchAfter } from './batch.js';
import { batchesTo, birthOf, FORMAT } from './keys.js';
import type { RedisClient } from './redis.js';

/** Pause before Redis is asked again whether a generation is still this node's, in milliseconds. */
const CONFIRM_AGAIN_MS = 50;

/** An end that no reader was told yet. */
interface Ending {
  readonly entry: EndEntry;
  /** Since when Redis is to have it, by this node's monotonic clock, in milliseconds. */
  readonly since: number;
  /** @param isOurs false where another node has the generation, and writes how it ends */
  readonly settle: (isOurs: boolean) => void;
}

/** A generation of this node, and how much of it Redis has. */
export interface Kept {
  readonly generation: Generation;
  readonly fields: readonly string[];
  /** The request as JSON, for whoever takes it over; undefined once it has begun. */
  request: (() => string) | undefined;
  ending: Ending | undefined;
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

/** The last seq that Redis is to have. */
export function lastOf({ generation, ending }: Kept): number {
  return ending?.entry.seq ?? generation.log.seq;
}

/**
 * What Redis does not have yet; it is on its way from now on.
 * @param lifetimeMs how long it lives in Redis while it goes on
 */
export function newsOf(
  kept: Kept,
  lifetimeMs: number,
  { RETAIN_MS }: Pick<Config, 'RETAIN_MS'>,
): Append {
  const { generation, epoch, cursor, followers, ending } = kept;
  const { id, status } = generation;
  const batch = batchAfter(generation, cursor, ending?.entry);
  const last = batch?.end === undefined ? status : { ...status, state: batch.end.state };
  const isNews = kept.stateIsNew || batch?.end !== undefined;
  kept.dueAt = Infinity;
  kept.stateIsNew = false;
  return {
    id,
    epoch,
    from: cursor + 1,
    seq: batch?.seq ?? cursor,
    items: batch?.json ?? '',
    ttlMs: batch?.end === undefined ? lifetimeMs : RETAIN_MS,
    ending: batch?.end?.state,
    state: isNews ? JSON.stringify(last) : '',
    channels: followers.nodes.map((node) => batchesTo(birthOf(id) ?? '', node)),
  };
}

/** What of a generation is kept beside its log, for the script `open`. @param owner id of its node */
export function fieldsOf(generation: Generation, owner: string): string[] {
  const { owner: user, model, endpoint, createdAt, waited, status } = generation;
  return [
    ['v', FORMAT],
    ['owner', owner],
    ['user', user ?? ''],
    ['model', model],
    ['ep', endpoint],
    ['at', String(createdAt)],
    ['waited', waited ? '1' : ''],
    ['state', JSON.stringify(status)],
  ].flat();
}

/**
 * Asks Redis, until it answers, whether a generation is still this node's. From then on no other node
 * begins anew with it.
 * @param isKept whether it is still to be known
 * @returns false where another node has it
 */
export async function confirmed(
  redis: RedisClient,
  kept: Kept,
  isKept: () => boolean,
): Promise<boolean> {
  const { generation, epoch } = kept;
  while (isKept()) {
    const askedAt = performance.now();
    const { cursor } = kept;
    try {
      // Nothing is kept by it.
      const [answer] = await append(redis, [
        { id: generation.id, epoch, from: cursor + 1, seq: cursor, begins: true },
      ]);
      if (answer !== 'fenced') kept.confirmedAt = askedAt;
      return answer !== 'fenced';
    } catch {
      await sleep(CONFIRM_AGAIN_MS);
    }
  }
  return true;
}
