import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import type { Config } from '../config/config.js';
import type { Orphan } from '../generations/peers.js';
import { CastError } from '../protocol/errors.js';
import type { TakeoverResult } from '../generations/lifecycle.js';
import { FORMAT, hashOf, runningOf, streamOf } from './keys.js';
import { type KeptRequest, readRequest } from './kept-request.js';
import { appendLost } from './lost-end.js';
import type { NodeParts } from './node-parts.js';

/** Most generations that are taken over at one time. */
export const MAX_AT_ONCE = 64;
/** How long a replica may take to have a fence, in milliseconds. */
const REPLICA_MS = 100;
/** How long the ids of what was taken over are kept, in milliseconds; as `open` does. */
const IDS_MS = 2 * 86_400_000;
/** How long it is believed whether there is a replica, in milliseconds. */
const ROLE_MS = 10_000;
/** How long nodes of another version have to take over what one of them has written, in milliseconds. */
const OTHERS_MS = 60_000;
/** Answer of `fence`: another node has it. */
const FASTER = -2;

/** Another version of llm-cast has written it. */
class OtherVersion extends CastError {}

/**
 * Takes over the generations of a node that was lost, or goes: each is fenced, so that nothing more of
 * the old owner is accepted. What has begun gets its end; what has not goes on here, at its place in the
 * line. Every step may be done again, by another node too, so that a burial which breaks off is done by
 * the next one.
 */
export class Burial {
  private readonly logger = new Logger('Cluster');
  private readonly busy = new Set<string>();
  /** What this node has fenced and not yet settled, and whose it was. */
  private readonly unsettled = new Map<string, string>();
  /** Those that are taken over now, by whose they were and their ids. */
  private readonly going = new Map<string, Promise<void>>();
  private taking = 0;
  private isClosed = false;
  private replicas: { at: number; areThere: boolean } | undefined;
  private readonly waiting: (() => void)[] = [];
  /** Since when nodes are to be buried that have left something of another version. */
  private readonly foreignSince = new Map<string, number>();
  /** Goes on with a request; it rejects where this node cannot. */
  adopt: ((orphan: Orphan) => Promise<void>) | undefined;

  constructor(
    private readonly parts: Pick<
      NodeParts,
      'redis' | 'keeper' | 'copies' | 'line' | 'store' | 'lifecycle'
    >,
    /** Id of this node. */
    private readonly node: string,
    private readonly config: Pick<Config, 'RETAIN_MS'>,
  ) {}

  /**
   * @param spreadMs the longest pause before it begins, so that not all nodes begin at once
   * @returns whether the node is buried; false while that goes on already, or Redis was away
   */
  async bury(dead: string, spreadMs: number): Promise<boolean> {
    if (this.busy.has(dead)) return false;
    this.busy.add(dead);
    const { redis, line } = this.parts;
    try {
      await sleep(Math.random() * spreadMs, undefined, { ref: false });
      const key = redis.prefix + runningOf(dead);
      const ids = await redis.ask((client) => client.smembers(key));
      this.logger.warn('a node is lost', { node: dead, generations: ids.length });
      await Promise.all(
        ids.map((id) => this.take(dead, id).catch((error: unknown) => this.leave(error, dead, id))),
      );
      await line.drop(dead);
      this.foreignSince.delete(dead);
      return true;
    } catch (error) {
      this.logger.warn('a burial broke off', { node: dead, error: String(error) });
      return false;
    } finally {
      this.busy.delete(dead);
    }
  }

  /** Whether something that broke off is still to be settled. */
  get isSettled(): boolean {
    return this.unsettled.size === 0;
  }

  /** Goes on with what broke off before. @throws CastError like {@link take} */
  async settle(): Promise<void> {
    await Promise.all([...this.unsettled].map(([id, from]) => this.take(from, id)));
  }

  /** This node goes itself: it takes over nothing more. */
  close(): void {
    this.isClosed = true;
  }

  /**
   * Takes over one generation of a node that goes, or is lost, unless another node has it already.
   * @throws CastError `store_unavailable`, `shutting_down`
   */
  take(from: string, id: string): Promise<void> {
    // Of two nodes that are lost at one time either may have it: one as its owner, one as its adopter.
    const key = `${from} ${id}`;
    const going =
      this.going.get(key) ?? this.takeInTurn(from, id).finally(() => this.going.delete(key));
    this.going.set(key, going);
    return going;
  }

  private async takeInTurn(from: string, id: string): Promise<void> {
    try {
      // Its turn is handed on to the next one: nobody comes in between.
      if (this.taking < MAX_AT_ONCE) this.taking++;
      else await new Promise<void>((go) => this.waiting.push(go));
      if (this.isClosed) throw new CastError('shutting_down');
      await this.takeNow(from, id);
      this.unsettled.delete(id);
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.taking--;
      else next();
    }
  }

  private async takeNow(from: string, id: string): Promise<void> {
    const { redis, keeper } = this.parts;
    const hash = redis.prefix + hashOf(id);
    const [theirs, ours] = [from, this.node].map((node) => redis.prefix + runningOf(node)) as [
      string,
      string,
    ];
    const [epoch, owner, request, version] = await redis.ask((client) =>
      client.hmget(hash, 'epoch', 'owner', 'request', 'v'),
    );
    if ((version ?? FORMAT) !== FORMAT) throw new OtherVersion('store_unavailable');
    const isTheirs = owner === from || (owner === this.node && !keeper.has(id));
    if (epoch != null && !isTheirs) return this.tell('faster');
    if (epoch == null) this.tell('gone');
    if (epoch != null) {
      // First, so that whoever buries this node finds it.
      await redis.ask((client) => client.sadd(ours, id).then(() => client.pexpire(ours, IDS_MS)));
      const fenced = Number(await redis.run('fence', [hash], [epoch, this.node]));
      if (fenced > 0) {
        this.unsettled.set(id, from);
        await this.replicate();
        const kept = request == null ? undefined : readRequest(request);
        if (kept !== undefined && this.adopt !== undefined)
          await this.resume(from, id, fenced, kept);
        else await this.end(from, id, fenced);
      }
      if (!keeper.has(id)) await redis.ask((client) => client.srem(ours, id));
      if (fenced === FASTER) return this.tell('faster');
    }
    await redis.ask((client) => client.srem(theirs, id));
  }

  /**
   * A node of the version that has written it takes it over. Where there is none any more, nobody can: it
   * goes when its time in Redis is over.
   * @throws the error, for anything else, and as long as such a node may come
   */
  private leave(error: unknown, node: string, id: string): void {
    if (!(error instanceof OtherVersion)) throw error;
    const since = this.foreignSince.get(node) ?? performance.now();
    this.foreignSince.set(node, since);
    if (performance.now() - since < OTHERS_MS) throw error;
    this.logger.warn('a lost generation of another version is left alone', { node, id });
  }

  /** It goes on here. @throws CastError where it cannot */
  private async resume(from: string, id: string, epoch: number, kept: KeptRequest): Promise<void> {
    const { copies, line, store } = this.parts;
    const generation = await copies.release(id);
    line.inherit(id, from);
    store.inherit(id, epoch, kept.keyName);
    try {
      await this.adopt?.({ generation, ...kept });
      this.tell('resumed');
    } catch (error) {
      // Its readers here go on waiting; this node tries again.
      await copies.take(generation, this.node);
      throw error;
    }
  }

  /** It has begun: what was kept is all of it. */
  private async end(from: string, id: string, epoch: number): Promise<void> {
    const { redis, copies } = this.parts;
    const generation = await copies.snapshot(id);
    const answer = await appendLost(redis, generation, epoch, generation.log.seq, this.config);
    if (answer !== 'ok' && generation.log.seq === 0 && (await this.isEvicted(id))) {
      this.logger.warn('a lost generation was evicted from Redis', { node: from, id });
      // As if Redis had lost all of it: who follows it writes what its copy has.
      await redis.ask((client) => client.del(redis.prefix + hashOf(id)));
      return this.tell('gone');
    }
    this.tell(answer === 'ok' ? 'ended' : 'failed');
    if (answer === 'ok') return;
    this.logger.warn('a lost generation has no end', { id, answer });
    // It stays unsettled: done again, or by the node that was faster.
    throw new CastError('store_unavailable');
  }

  /** Whether Redis, which was full, has forgotten what was said, and not that something was. */
  private async isEvicted(id: string): Promise<boolean> {
    const { redis } = this.parts;
    return (await redis.ask((client) => client.exists(redis.prefix + streamOf(id)))) === 0;
  }

  private tell(result: TakeoverResult): void {
    this.parts.lifecycle.tell('tookOver', result);
  }

  /** A fence that a failover loses would let the old owner go on: a replica is to have it first. */
  private async replicate(): Promise<void> {
    const { redis } = this.parts;
    const now = performance.now();
    if (this.replicas === undefined || now - this.replicas.at > ROLE_MS) {
      const info = await redis.ask((client) => client.info('replication'));
      this.replicas = { at: now, areThere: /^connected_slaves:[1-9]/m.test(info) };
    }
    // It says how many have it; where too few do, the fence is no worse than any other write.
    if (this.replicas.areThere) await redis.ask((client) => client.wait(1, REPLICA_MS));
  }
}
