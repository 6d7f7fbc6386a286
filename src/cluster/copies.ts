import { Logger } from '@nestjs/common';
import type { Config } from '../config/config.js';
import type { Generation } from '../generations/generation.js';
import type { Lifecycle } from '../generations/lifecycle.js';
import { CastError } from '../protocol/errors.js';
import { parseMessage } from './batch.js';
import { Copy, type CopyContext, metaOf } from './copy.js';
import { batchesTo, birthOf, noteOf } from './keys.js';
import { writeLost } from './lost-log.js';
import type { NodeBus } from './node-bus.js';
import type { RedisClient } from './redis.js';

/** Most copies on one node; over it a new one is refused with `store_unavailable`. */
export const MAX_COPIES = 5_000;
/** How long a copy that nobody reads stays, in milliseconds. */
const IDLE_MS = 10_000;

/**
 * Generations of other nodes: each a log that is filled from Redis, to which readers attach as to one
 * of this node. First it follows, then it reads what is kept: nothing can fall between the two.
 */
export class Copies {
  private readonly logger = new Logger('Copies');
  private readonly byId = new Map<string, Promise<Copy>>();
  private readonly ready = new Map<string, Copy>();
  /** Channels that are heard: one for each node of birth. */
  private readonly heard = new Map<string, Promise<void>>();
  private readonly context: CopyContext;

  /** @param grow called with the bytes by which the copies have grown */
  constructor(
    private readonly redis: RedisClient,
    private readonly bus: NodeBus,
    private readonly node: string,
    private readonly config: Pick<Config, 'NODE_LEASE_MS' | 'RETAIN_MS'>,
    private readonly grow: (bytes: number) => void,
    lifecycle: Lifecycle,
  ) {
    this.context = { redis, bus, node, grow, lifecycle };
  }

  /** How many entries readers have not yet been given. */
  get behind(): number {
    let behind = 0;
    for (const { generation } of this.ready.values()) behind += generation.log.behind;
    return behind;
  }

  /** How many there are. */
  get size(): number {
    return this.ready.size;
  }

  /** The nodes where those run that have not ended. */
  get owners(): Set<string> {
    const running = [...this.ready.values()].filter(({ hasEnded }) => !hasEnded);
    return new Set(running.map(({ owner }) => owner));
  }

  *held(): Iterable<Generation> {
    for (const { generation } of this.ready.values()) yield generation;
  }

  /** @throws CastError `generation_not_found`, `store_unavailable` */
  async find(id: string): Promise<Generation> {
    if (birthOf(id) === undefined) throw new CastError('generation_not_found');
    let copy = this.byId.get(id);
    if (copy === undefined) {
      if (this.byId.size >= MAX_COPIES) throw new CastError('store_unavailable');
      copy = this.make(id);
      this.byId.set(id, copy);
      copy.catch(() => this.byId.delete(id));
    }
    const made = await copy;
    made.usedAt = performance.now();
    // What is asked of it now is to be what Redis knows now.
    if (!made.hasEnded) await made.catchUp();
    return made.generation;
  }

  /**
   * Renews what is followed, looks whether something was missed, and lets go of what nobody reads.
   * @param isAlive whether a node's beats are heard
   */
  async beat(isAlive: (node: string) => boolean): Promise<void> {
    const now = performance.now();
    const followed = new Map<string, [string, boolean][]>();
    for (const [id, copy] of this.ready) {
      if (copy.hasReaders || copy.isCancelled) copy.usedAt = now;
      else if (now - copy.usedAt > IDLE_MS) {
        this.forget(id);
        continue;
      }
      if (copy.hasEnded) continue;
      followed.set(copy.owner, [...(followed.get(copy.owner) ?? []), [id, copy.hasReaders]]);
    }
    for (const [owner, ids] of followed) this.bus.tell(owner, 'follow', { node: this.node, ids });
    this.hearNoMore();
    await Promise.all([...this.ready.values()].map((copy) => this.check(copy, isAlive)));
  }

  /**
   * What Redis has of a generation, as it is now; nobody reads it. It is not counted: it is ended and let
   * go of, or goes on here, and then has no entry yet.
   */
  async snapshot(id: string): Promise<Generation> {
    const meta = await metaOf(this.redis, id);
    const uncounted = { ...this.context, grow: () => undefined };
    const copy = Copy.of(uncounted, id, meta, await this.noteOf(id));
    await copy.catchUp();
    copy.setState(meta);
    return copy.generation;
  }

  /** It runs here from now on. @returns the copy, with its readers, or one that nobody reads */
  async release(id: string): Promise<Generation> {
    const copy = await this.byId.get(id)?.catch(() => undefined);
    this.ready.delete(id);
    this.byId.delete(id);
    return copy?.generation ?? this.snapshot(id);
  }

  /** It has run here, and runs on another node from now on: its readers stay. */
  async take(generation: Generation, owner: string): Promise<void> {
    const { id } = generation;
    const copy = new Copy(this.context, generation, owner);
    this.byId.set(id, Promise.resolve(copy));
    this.ready.set(id, copy);
    // What fails here is done again at the next beat.
    await this.hear(birthOf(id) ?? '').catch(() => undefined);
    await copy.follow().catch(() => undefined);
    await copy.catchUp().catch(() => undefined);
  }

  close(): void {
    for (const id of this.ready.keys()) this.forget(id);
  }

  private async make(id: string): Promise<Copy> {
    const meta = await metaOf(this.redis, id);
    const copy = Copy.of(this.context, id, meta, await this.noteOf(id));
    if (meta.end === undefined) {
      await this.hear(birthOf(id) ?? '');
      // Where the owner is gone its burial writes the end, and the stream has it.
      await copy.follow().catch(() => undefined);
    }
    this.ready.set(id, copy);
    try {
      copy.setState(meta);
      await copy.catchUp();
      // Redis has forgotten what was said, or a part of it.
      if (meta.end !== undefined && !copy.hasEnded) throw new CastError('generation_not_found');
    } catch (error) {
      this.forget(id);
      throw error;
    }
    return copy;
  }

  /** What the door that began it has to know of it. */
  private async noteOf(id: string): Promise<unknown> {
    const note = await this.redis.ask((client) => client.get(this.redis.prefix + noteOf(id)));
    return note === null ? undefined : JSON.parse(note);
  }

  private hear(birth: string): Promise<void> {
    const heard =
      this.heard.get(birth) ??
      this.redis.subscribe(batchesTo(birth, this.node), (text) => this.onMessage(text), true);
    this.heard.set(birth, heard);
    heard.catch(() => this.heard.delete(birth));
    return heard;
  }

  /** Of nodes none of whose generations has a copy here. */
  private hearNoMore(): void {
    const births = new Set([...this.byId.keys()].map((id) => birthOf(id)));
    for (const birth of this.heard.keys()) {
      if (births.has(birth)) continue;
      this.heard.delete(birth);
      void this.redis.unsubscribe(batchesTo(birth, this.node), true);
    }
  }

  private onMessage(text: string): void {
    for (const [id, items] of parseMessage(text)) this.ready.get(id)?.hear(items);
  }

  private async check(copy: Copy, isAlive: (node: string) => boolean): Promise<void> {
    try {
      await copy.check();
    } catch (error) {
      if (!(error instanceof CastError) || error.code !== 'generation_not_found') return;
      await this.missed(copy, isAlive).catch(() => undefined);
    }
  }

  /** Redis does not know it: its time is over, or its owner writes it again, if there is one. */
  private async missed(copy: Copy, isAlive: (node: string) => boolean): Promise<void> {
    const { generation, owner } = copy;
    if (!copy.hasEnded) {
      const missedMs = copy.missed();
      const isKept = isAlive(owner) ? await copy.follow() : missedMs < this.config.NODE_LEASE_MS;
      if (isKept) return;
      this.logger.warn('nobody has this generation any more', { id: generation.id });
      await writeLost(this.redis, this.node, generation, this.config);
      await copy.catchUp();
    }
    if (!copy.hasReaders) this.forget(generation.id);
  }

  private forget(id: string): void {
    const copy = this.ready.get(id);
    this.ready.delete(id);
    this.byId.delete(id);
    if (copy !== undefined) this.grow(-copy.generation.log.size);
  }
}
