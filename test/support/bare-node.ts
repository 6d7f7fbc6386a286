import { HttpService } from '@nestjs/axios';
import { CastService } from '../../src/cast/cast.service.js';
import { loadConfig } from '../../src/config/load.js';
import { writeRequest } from '../../src/cluster/kept-request.js';
import { newNodeId } from '../../src/cluster/keys.js';
import { type NodeParts, partsOf } from '../../src/cluster/node-parts.js';
import { RedisClient } from '../../src/cluster/redis.js';
import { Gauges } from '../../src/generations/gauges.js';
import { Generation } from '../../src/generations/generation.js';
import { Lifecycle } from '../../src/generations/lifecycle.js';
import type { Orphan } from '../../src/generations/peers.js';

/** What a node of a cluster is made of, without doors and without a beat. */
export class BareNode {
  private constructor(
    readonly id: string,
    readonly parts: NodeParts,
  ) {}

  /** @param prefix of its keys: nodes with one prefix know of each other */
  static async start(redisUrl: string, prefix: string): Promise<BareNode> {
    const redis = new RedisClient([redisUrl], prefix);
    await redis.connect();
    const config = loadConfig({});
    const cast = new CastService(new HttpService(), config);
    const id = newNodeId();
    return new BareNode(id, partsOf(redis, id, cast, new Lifecycle(), new Gauges(), config));
  }

  /** Redis has its request from now on, and then its log; nobody drives it. */
  async begin(): Promise<Generation> {
    const { keeper, store } = this.parts;
    const generation = new Generation(
      {
        id: store.newId(),
        endpoint: 'generate',
        model: 'm',
        owner: undefined,
        createdAt: Date.now(),
        note: undefined,
      },
      {
        cancel: () => undefined,
        onAudience: () => undefined,
        onLost: () => undefined,
        onDelivered: () => undefined,
        giveUp: () => undefined,
        head: () => 0,
        onGrow: () => undefined,
      },
    );
    const orphan: Orphan = {
      generation,
      request: { endpoint: 'generate', model: 'm', prompt: '' },
      caller: { principal: { kind: 'rest' }, turn: '', requestId: undefined, trace: undefined },
      keep: true,
    };
    await keeper.add(generation, () => writeRequest(orphan, undefined), 1);
    return generation;
  }

  /** Nothing more of what it runs is kept. */
  die(): void {
    this.parts.keeper.close();
  }

  close(): void {
    this.die();
    this.parts.redis.close();
  }
}
