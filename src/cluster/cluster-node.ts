import {
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import type { Life } from '../generations/lifecycle.js';
import type { CancelReason, EndEntry } from '../generations/log/entry.js';
import { type Answers, type Orphan, type PeerHandler, Peers } from '../generations/peers.js';
import type { ClusterView } from '../protocol/cluster-view.js';
import { CastError } from '../protocol/errors.js';
import { metaOf } from './copy.js';
import { nodeOfClient } from './keys.js';
import type { NodeParts } from './node-parts.js';
import { storeFacts } from './store-facts.js';

/** Beats without hearing itself after which a node subscribes anew. */
const DEAF_BEATS = 2;
/** How long Redis may be away before this node says that it is not ready, in milliseconds. */
const CUT_OFF_MS = 2_000;

/** This process as one of several nodes: its beat, and what it answers to the others. */
export class ClusterNode
  extends Peers
  implements OnApplicationBootstrap, OnApplicationShutdown, OnModuleDestroy
{
  private readonly logger = new Logger('Cluster');
  private timer: NodeJS.Timeout | undefined;
  private unheard = 0;
  private isBeating = false;

  constructor(
    readonly tag: string,
    private readonly parts: NodeParts,
    private readonly keepsRequests: boolean,
  ) {
    super();
    const { bus, keeper, line, store, burial } = parts;
    bus.on('slot', (message) => {
      const { id, up } = message as { id: string; up: string };
      line.started(id, up);
    });
    bus.on('echo', () => void (this.unheard = 0));
    bus.on('follow', (message) => {
      const { node, ids } = message as { node: string; ids: [string, boolean][] };
      return keeper.follow(node, ids).filter((id) => !store.keepAgain(id));
    });
    bus.on('head', async (message) => (await store.find((message as { id: string }).id)).log.seq);
    bus.on('take', async (message) => {
      const { node, id } = message as { node: string; id: string };
      await burial.take(node, id);
    });
    bus.on('giveUp', async (message) => {
      (await store.find((message as { id: string }).id)).giveUp();
    });
    bus.on('cancel', async (message) => {
      const { id, reason } = message as { id: string; reason?: CancelReason };
      const { said } = await (await store.find(id)).cancel(reason);
      return said.state;
    });
  }

  get isCutOff(): boolean {
    return this.parts.heartbeat.silentMs > CUT_OFF_MS + this.parts.heartbeat.periodMs;
  }

  async onApplicationBootstrap(): Promise<void> {
    const { bus, heartbeat } = this.parts;
    await bus.open().catch(() => undefined);
    this.logger.log('this node is one of a cluster', { node: this.tag });
    await this.beat();
    this.timer = setInterval(() => void this.beat(), heartbeat.periodMs).unref();
  }

  onModuleDestroy(): void {
    this.parts.burial.close();
  }

  async onApplicationShutdown(): Promise<void> {
    const { redis, bus, heartbeat, keeper, copies, line, burial, store, access } = this.parts;
    const { isPersistent } = await storeFacts(redis);
    // Until then it beats, and writes again what Redis loses. One that keeps nothing loses all of it.
    if (isPersistent !== false) await store.safe();
    clearInterval(this.timer);
    // What is left over is buried by the others, with this node.
    if (burial.isSettled && keeper.size === 0) {
      await line.drop(this.tag).catch(() => undefined);
      await heartbeat.remove(this.tag).catch(() => undefined);
    }
    keeper.close();
    copies.close();
    access.close();
    bus.close();
    redis.close();
  }

  async view(): Promise<ClusterView> {
    const { redis, heartbeat, keeper, copies } = this.parts;
    return {
      node: this.tag,
      leaseMs: heartbeat.leaseMs,
      nodes: heartbeat.nodes,
      owned: keeper.size,
      followed: copies.size,
      behind: keeper.behind,
      store: {
        isReachable: !this.isCutOff,
        latencyMs: heartbeat.latencyMs,
        ...(await storeFacts(redis)),
      },
    };
  }

  get isAlone(): boolean {
    return !this.keepsRequests || this.others.length === 0 || this.isCutOff;
  }

  confirm(id: string): Promise<void> | undefined {
    return this.parts.keeper.confirm(id);
  }

  async seal(life: Life, end: EndEntry): Promise<void> {
    const { keeper, store } = this.parts;
    const { generation } = life;
    if (await keeper.seal(generation.id, end)) return;
    await store.handOver(life, (await this.ownerOf(generation.id)) ?? this.tag);
    await generation.ended;
  }

  async handOver(life: Life): Promise<boolean> {
    const { id } = life.generation;
    const { bus, line, store } = this.parts;
    line.letGo(id);
    for (const node of this.others) {
      try {
        await bus.ask(node, 'take', { node: this.tag, id });
        break;
      } catch {
        // That one goes too, or its answer was lost: Redis knows who has it.
        if ((await this.ownerOf(id)) !== this.tag) break;
      }
    }
    const owner = await this.ownerOf(id);
    if (owner === undefined || owner === this.tag) return false;
    await store.handOver(life, owner);
    return true;
  }

  onOrphan(adopt: (orphan: Orphan) => Promise<void>): void {
    this.parts.burial.adopt = adopt;
  }

  /** Living nodes but this one, in any order. */
  private get others(): string[] {
    const { alive } = this.parts.heartbeat;
    const others = alive.filter((node) => node !== this.tag);
    const from = Math.floor(Math.random() * others.length);
    return [...others.slice(from), ...others.slice(0, from)];
  }

  private async ownerOf(id: string): Promise<string | undefined> {
    const { redis } = this.parts;
    return metaOf(redis, id).then(
      ({ owner }) => owner,
      () => undefined,
    );
  }

  nodeOf(clientId: string): string | undefined {
    const node = nodeOfClient(clientId);
    return node === this.tag ? undefined : node;
  }

  async ask(node: string, op: string, message: unknown): Promise<unknown> {
    // A Redis Cluster does not say that nobody heard it, and an answer would be waited for.
    if (this.parts.redis.isCluster && !this.parts.heartbeat.isAlive(node)) {
      throw new CastError('client_not_found');
    }
    try {
      return await this.parts.bus.ask(node, op, message);
    } catch (error) {
      const isGone = error instanceof CastError && error.code === 'node_lost';
      throw isGone ? new CastError('client_not_found') : error;
    }
  }

  async askAll(op: string, message: unknown): Promise<Answers> {
    const { others } = this;
    const asked = await Promise.allSettled(
      others.map((node) => this.parts.bus.ask(node, op, message)),
    );
    return {
      answers: asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])),
      silent: others.filter((_node, at) => asked[at]?.status === 'rejected'),
    };
  }

  tell(op: string, message: unknown): void {
    this.parts.bus.tell(undefined, op, message);
  }

  on(op: string, handler: PeerHandler): void {
    this.parts.bus.on(op, handler);
  }

  private async beat(): Promise<void> {
    // A beat that takes longer than its time is not overtaken by the next one.
    if (this.isBeating) return;
    this.isBeating = true;
    const { redis, bus, heartbeat, keeper, copies, line, burial, store, access, lifecycle } =
      this.parts;
    try {
      const dead = await heartbeat.beat(copies.owners);
      if (++this.unheard > DEAF_BEATS) {
        lifecycle.tell('deaf');
        // Not waited for: a deaf connection answers nothing, and the others want to hear this node.
        void redis.resubscribe();
      }
      bus.tell(this.tag, 'echo', null);
      keeper.beat();
      store.beat();
      const isAlive = (node: string): boolean => heartbeat.isAlive(node);
      await Promise.all([access.beat(), line.beat(), copies.beat(isAlive)]);
      for (const node of dead) void this.bury(node);
      await burial.settle();
    } catch (error) {
      if (!(error instanceof CastError)) this.logger.error(error);
    } finally {
      this.isBeating = false;
    }
  }

  private async bury(node: string): Promise<void> {
    const { burial, heartbeat } = this.parts;
    if (!(await burial.bury(node, heartbeat.periodMs / 4))) return;
    await heartbeat.remove(node).catch(() => undefined);
  }
}
