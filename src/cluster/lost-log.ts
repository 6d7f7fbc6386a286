import type { Config } from '../config/config.js';
import type { Generation } from '../generations/generation.js';
import { fieldsOf } from './kept.js';
import { hashOf, keysToOpen } from './keys.js';
import { appendLost } from './lost-end.js';
import type { RedisClient } from './redis.js';

/** Above any epoch that an owner has: one that comes back is refused. */
const EPOCH = 1_000;
/** How long it is known before it has its end, in milliseconds. */
const OPEN_MS = 86_400_000;

/**
 * Redis has lost a generation, and its owner does not write it again: writes what a copy has of it, and
 * its end, so that all nodes tell the same one. Does nothing where another node is faster.
 * @param node id of this node
 * @throws CastError `store_unavailable`: may be done again
 */
export async function writeLost(
  redis: RedisClient,
  node: string,
  generation: Generation,
  config: Pick<Config, 'RETAIN_MS'>,
): Promise<void> {
  const { id } = generation;
  const hash = redis.prefix + hashOf(id);
  const keys = keysToOpen(id).map((key) => redis.prefix + key);
  await redis.run('open', keys, [EPOCH, OPEN_MS, id, ...fieldsOf(generation, node)]);
  const epoch = Number(await redis.run('fence', [hash], [EPOCH, node]));
  if (epoch < 0) return;
  await appendLost(redis, generation, epoch, 0, config);
}
