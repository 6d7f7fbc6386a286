import type { CastService } from '../cast/cast.service.js';
import type { Config } from '../config/config.js';
import type { Gauges } from '../generations/gauges.js';
import type { Lifecycle } from '../generations/lifecycle.js';
import { lineLimits } from '../generations/line/slot-keeper.js';
import { MemoryStore } from '../generations/store/memory-store.js';
import { Burial } from './burial.js';
import { Copies } from './copies.js';
import { Heartbeat } from './heartbeat.js';
import { Keeper } from './keeper.js';
import { NodeBus } from './node-bus.js';
import type { RedisClient } from './redis.js';
import { RedisAccessStore } from './redis-access-store.js';
import { RedisKnownPrefixes } from './redis-known-prefixes.js';
import { RedisLine } from './redis-line.js';
import { RedisStore } from './redis-store.js';
import { RefusedStarts } from './refused-starts.js';

/** What a node of a cluster is made of. */
export interface NodeParts {
  readonly redis: RedisClient;
  readonly bus: NodeBus;
  readonly heartbeat: Heartbeat;
  readonly keeper: Keeper;
  readonly copies: Copies;
  readonly line: RedisLine;
  readonly known: RedisKnownPrefixes;
  readonly burial: Burial;
  readonly store: RedisStore;
  readonly access: RedisAccessStore;
  readonly lifecycle: Lifecycle;
}

/** Makes them, and connects them with each other. */
export function partsOf(
  redis: RedisClient,
  node: string,
  { upstreams }: Pick<CastService, 'upstreams'>,
  lifecycle: Lifecycle,
  gauges: Gauges,
  config: Config,
): NodeParts {
  const local = new MemoryStore(config);
  const bus = new NodeBus(redis, node);
  const heartbeat = new Heartbeat(redis, node, config.NODE_LEASE_MS);
  const refused = new RefusedStarts(redis, node);
  const keeper = new Keeper(redis, node, config, lifecycle, refused);
  const copies = new Copies(redis, bus, node, config, (bytes) => local.grow(bytes), lifecycle);
  const line = new RedisLine(redis, upstreams, lineLimits(config), node, heartbeat.periodMs);
  const known = new RedisKnownPrefixes(redis, upstreams);
  const store = new RedisStore(local, redis, node, keeper, copies, refused, config);
  const burial = new Burial({ redis, keeper, copies, line, store, lifecycle }, node, config);
  const access = new RedisAccessStore(redis, node);
  redis.time((op, ms) => lifecycle.tell('stored', op, ms));
  gauges.put('leaseAgeMs', () => heartbeat.silentMs);
  gauges.put('followers', () => keeper.followers);
  return { redis, bus, heartbeat, keeper, copies, line, known, burial, store, access, lifecycle };
}
