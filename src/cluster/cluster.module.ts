import { type DynamicModule, Module } from '@nestjs/common';
import { AccessStore } from '../access/access-store.js';
import { CastModule } from '../cast/cast.module.js';
import { CastService } from '../cast/cast.service.js';
import { Config } from '../config/config.js';
import { KnownPrefixes } from '../generations/line/known-prefixes.js';
import { SlotKeeper } from '../generations/line/slot-keeper.js';
import { GenerationsModule } from '../generations/generations.module.js';
import { Gauges } from '../generations/gauges.js';
import { Lifecycle } from '../generations/lifecycle.js';
import { Peers } from '../generations/peers.js';
import { GenerationStore } from '../generations/store/generation-store.js';
import { ClusterNode } from './cluster-node.js';
import { newNodeId } from './keys.js';
import { type NodeParts, partsOf } from './node-parts.js';
import { RedisClient } from './redis.js';

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
        { provide: KnownPrefixes, inject: [PARTS], useFactory: ({ known }: NodeParts) => known },
        { provide: AccessStore, inject: [PARTS], useFactory: ({ access }: NodeParts) => access },
        {
          provide: Peers,
          inject: [PARTS],
          useFactory: (parts: NodeParts) =>
            new ClusterNode(node, parts, config.CLUSTER_KEEP_REQUESTS),
        },
      ],
      exports: [AccessStore, GenerationStore, KnownPrefixes, SlotKeeper, Peers],
    };
  }
}
