import { type DynamicModule, Module } from '@nestjs/common';
import { AccessStore } from '../access/access-store.js';
import { CastModule } from '../cast/cast.module.js';
import { CastService } from '../cast/cast.service.js';
import { Config } from '../config/config.js';
import { lineLimits, SlotKeeper } from '../generations/line/slot-keeper.js';
import { GenerationsModule } from '../generations/generations.module.js';
import { Gauges } from '../generations/gauges.js';
import { Lifecycle } from '../generations/lifecycle.js';
import { Peers } from '../generations/peers.js';
import { GenerationStore } from '../generations/store/generation-store.js';
import { MemoryStore } from '../generations/store/memory-store.js';
import { Burial } from './burial.js';
import { ClusterNode, type NodeParts } from './cluster-node.js';
import { Copies } from './copies.js';
import { Heartbeat } from './heartbeat.js';
import { Keeper } from './keeper.js';
import { newNodeId } from './keys.js';
import { NodeBus } from './node-bus.js';
import { RedisClient } from './redis.js';
import { RedisAccessStore } from './redis-access-store.js';
import { RedisLine } from './redis-line.js';
import { RedisStore } from './redis-store.js';

const PARTS = Symbol('parts of the node');

/** Several nodes, which share their generations and the line through Redis. */
@Module({})
export class ClusterModule {
  /** Connects to Redis, or goes on trying. @param urls of `REDIS_URL` */
  static async connect(urls: readonly string[], config: Config): Promise<DynamicModule> {
    const redis = new RedisClient(urls, config.REDIS_PREFIX);
    await redis.connect();
    const node = newNodeId(config.NODE_ID);
    return {
      module: ClusterModule,
      global: true,
      imports: [CastModule, GenerationsModule],
      providers: [
        {
          provide: PARTS,
          inject: [CastService, Lifecycle, Gauges],
          useFactory: (cast: CastService, lifecycle: Lifecycle, gauges: Gauges) =>
            partsOf(redis, node, cast, lifecycle, gauges, config),
        },
        {
          provide: GenerationStore,
          inject: [PARTS],
          useFactory: ({ store }: NodeParts) => store,
        },
        { provide: SlotKeeper, inject: [PARTS], useFactory: ({ line }: NodeParts) => line },
        { provide: AccessStore, inject: [PARTS], useFactory: ({ access }: NodeParts) => access },
        {
          provide: Peers,
          inject: [PARTS],
          useFactory: (parts: NodeParts) =>
            new ClusterNode(node, parts, config.CLUSTER_KEEP_REQUESTS),
        },
      ],
      exports: [AccessStore, GenerationStore, SlotKeeper, Peers],
    };
  }
}

function partsOf(
  redis: RedisClient,
  node: string,
  { upstreams }: CastService,
  lifecycle: Lifecycle,
  gauges: Gauges,
  config: Config,
): NodeParts {
  const local = new MemoryStore(config);
  const bus = new NodeBus(redis, node);
  const heartbeat = new Heartbeat(redis, node, config.NODE_LEASE_MS);
  const keeper = new Keeper(redis, node, config, lifecycle);
  const copies = new Copies(redis, bus, node, config, (bytes) => local.grow(bytes), lifecycle);
  const line = new RedisLine(redis, upstreams, lineLimits(config), node, heartbeat.periodMs);
  const store = new RedisStore(local, redis, node, keeper, copies, config);
  const burial = new Burial({ redis, keeper, copies, line, store, lifecycle }, node, config);
  const access = new RedisAccessStore(redis, node);
  redis.time((op, ms) => lifecycle.tell('stored', op, ms));
  gauges.put('leaseAgeMs', () => heartbeat.silentMs);
  gauges.put('followers', () => keeper.followers);
  return { redis, bus, heartbeat, keeper, copies, line, burial, store, access, lifecycle };
}
