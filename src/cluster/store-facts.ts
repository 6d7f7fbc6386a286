import type { ClusterView } from '../protocol/cluster-view.js';
import type { RedisClient } from './redis.js';

type Facts = Pick<ClusterView['store'], 'version' | 'maxMemoryPolicy' | 'isPersistent'>;

/** What Redis says of itself; null for what it does not say, or while it is away. */
export async function storeFacts(redis: RedisClient): Promise<Facts> {
  const said = await redis.ask((client) => client.info()).catch(() => '');
  const field = (name: string): string | null =>
    new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(said)?.[1] ?? null;
  const file = field('aof_enabled');
  return {
    version: field('redis_version'),
    maxMemoryPolicy: field('maxmemory_policy'),
    isPersistent: file === null ? null : file === '1',
  };
}
