import { Logger } from '@nestjs/common';
import type { Config } from '../config/config.js';
import { type Driver, Generation } from '../generations/generation.js';
import type { Lifecycle } from '../generations/lifecycle.js';
import type { EndEntry } from '../generations/log/entry.js';
import { CastError } from '../protocol/errors.js';
import type { StreamState } from '../protocol/stream-state.js';
import { applyItems, parseItems, parseMessage } from './batch.js';
import { batchesTo, birthOf, hashOf, noteOf, streamOf } from './keys.js';
import type { NodeBus } from './node-bus.js';
import type { RedisClient } from './redis.js';

/** Most copies on one node; over it a new one is refused with `store_unavailable`. */
const MAX_COPIES = 5_000;
/** How long a copy that nobody reads stays, in milliseconds. */
const IDLE_MS = 10_000;
/** What the hash of a generation says. */
type Meta = Record<string, string>;

/** A generation of another node, as this one has it. */
interface Copy {
  readonly generation: Generation;
  owner: string;
  hasReaders: boolean;
  idleSince: number;
  /** Id of the last batch that was read from the stream. */
  streamId: string;
  /** The one catching up that goes on. */
  catchingUp: Promise<void> | undefined;
  isStale: boolean;
  /** Since when Redis does not know it, by this node's clock. */
  goneSince: number | undefined;
}

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

  /** @param grow called with the bytes by which the copies have grown */
  constructor(
    private readonly redis: RedisClient,
    private readonly bus: NodeBus,
    private readonly node: string,
    private readonly config: Pick<Config, 'NODE_LEASE_MS'>,
    private readonly grow: (bytes: number) => void,
    private readonly lifecycle: Lifecycle,
  ) {}

  /** How many entries readers have not yet been given. */
  get behind(): number {
    let behind = 0;
    for (const { generation } of this.ready.values()) behind += generation.log.behind;
    return behind;
  }

  get count(): number {
    return this.ready.size;
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
    made.idleSince = performance.now();
    // What is asked of it now is to be what Redis knows now.
    if (made.generation.log.end === undefined) await this.catchUp(made);
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
      if (copy.hasReaders) copy.idleSince = now;
      else if (now - copy.idleSince > IDLE_MS) {
        this.forget(id);
        continue;
      }
      if (copy.generation.log.end !== undefined) continue;
      followed.set(copy.owner, [...(followed.get(copy.owner) ?? []), [id, copy.hasReaders]]);
    }
    for (const [owner, ids] of followed) this.bus.tell(owner, 'follow', { node: this.node, ids });
    await Promise.all([...this.ready.values()].map((copy) => this.check(copy, isAlive)));
  }

  /** What Redis has of a generation, as it is now; nobody reads it. */
  async snapshot(id: string): Promise<Generation> {
    const meta = await this.meta(id);
    if (meta === undefined) throw new CastError('generation_not_found');
    const copy = this.copyOf(id, meta);
    await this.catchUp(copy);
    return copy.generation;
  }

  close(): void {
    for (const id of this.ready.keys()) this.forget(id);
  }

  private async make(id: string): Promise<Copy> {
    const meta = await this.meta(id);
    if (meta === undefined) throw new CastError('generation_not_found');
    const note = await this.redis.ask((client) => client.get(this.redis.prefix + noteOf(id)));
    const copy = this.copyOf(id, meta, note);
    if (meta['end'] === undefined) {
      await this.hear(birthOf(id) ?? '');
      await this.bus
        .ask(copy.owner, 'follow', { node: this.node, ids: [[id, false]] })
        .catch(() => undefined);
    }
    this.ready.set(id, copy);
    try {
      this.setState(copy, meta);
      await this.catchUp(copy);
    } catch (error) {
      this.forget(id);
      throw error;
    }
    return copy;
  }

  private copyOf(id: string, meta: Meta, note: string | null = null): Copy {
    const driver: Driver = {
      cancel: () => void this.cancel(copy),
      onAudience: (hasReaders) => this.attend(copy, hasReaders),
      onGrow: (bytes) => this.grow(bytes),
      onLost: () => undefined,
      onDelivered: (door, lagMs) => this.lifecycle.tell('delivered', door, lagMs),
      head: () => this.head(copy),
    };
    const generation = new Generation(
      {
        id,
        endpoint: meta['ep'] as Generation['endpoint'],
        model: meta['model'] ?? '',
        owner: meta['user'] === '' ? undefined : meta['user'],
        createdAt: Number(meta['at']),
        note: note === null ? undefined : (JSON.parse(note) as unknown),
      },
      driver,
    );
    generation.waited = meta['waited'] === '1';
    const copy: Copy = {
      generation,
      owner: meta['owner'] ?? '',
      hasReaders: false,
      idleSince: performance.now(),
      streamId: '0-0',
      catchingUp: undefined,
      isStale: false,
      goneSince: undefined,
    };
    return copy;
  }

  private hear(birth: string): Promise<void> {
    const heard =
      this.heard.get(birth) ??
      this.redis.subscribe(batchesTo(birth, this.node), (text) => this.onMessage(text), true);
    this.heard.set(birth, heard);
    heard.catch(() => this.heard.delete(birth));
    return heard;
  }

  private onMessage(text: string): void {
    for (const [id, items] of parseMessage(text)) {
      const copy = this.ready.get(id);
      if (copy === undefined) continue;
      // While it catches up, what comes is in the stream already.
      if (copy.catchingUp !== undefined) copy.isStale = true;
      else if (!applyItems(copy.generation, items)) {
        this.catchUp(copy).catch(() => undefined);
      }
    }
  }

  /** Reads from the stream what is missing; calls at one time share one reading. */
  private catchUp(copy: Copy): Promise<void> {
    copy.isStale = true;
    copy.catchingUp ??= this.readOn(copy).finally(() => (copy.catchingUp = undefined));
    return copy.catchingUp;
  }

  private async readOn(copy: Copy): Promise<void> {
    while (copy.isStale) {
      copy.isStale = false;
      const key = this.redis.prefix + streamOf(copy.generation.id);
      const entries = await this.redis.ask((client) =>
        client.xrange(key, `(${copy.streamId}`, '+', 'COUNT', 1000),
      );
      for (const [streamId, [, data = '']] of entries) {
        if (!applyItems(copy.generation, parseItems(data))) return;
        copy.streamId = streamId;
      }
      if (entries.length === 1000) copy.isStale = true;
    }
  }

  private async check(copy: Copy, isAlive: (node: string) => boolean): Promise<void> {
    const { generation } = copy;
    if (generation.log.end !== undefined) return;
    const meta = await this.meta(generation.id).catch(() => null);
    if (meta === null) return;
    if (meta === undefined) return this.missed(copy, isAlive);
    copy.goneSince = undefined;
    copy.owner = meta['owner'] ?? copy.owner;
    if (Number(meta['seq']) > generation.log.seq) await this.catchUp(copy).catch(() => undefined);
    this.setState(copy, meta);
  }

  /** Redis has lost it: its owner writes it again, if there is one. */
  private missed(copy: Copy, isAlive: (node: string) => boolean): void {
    const now = performance.now();
    copy.goneSince ??= now;
    copy.streamId = '0-0';
    if (isAlive(copy.owner) || now - copy.goneSince < this.config.NODE_LEASE_MS) return;
    this.logger.warn('nobody has this generation any more', { id: copy.generation.id });
    copy.generation.adopt(lostEnd(copy.generation));
  }

  private setState({ generation }: Copy, meta: Meta): void {
    if (generation.log.end !== undefined) return;
    const { generationId: _id, ...status } = JSON.parse(meta['state'] ?? '{}') as StreamState;
    if (
      JSON.stringify({ generationId: generation.id, ...status }) ===
      JSON.stringify(generation.status)
    )
      return;
    generation.announce(status);
  }

  private attend(copy: Copy, hasReaders: boolean): void {
    copy.idleSince = performance.now();
    if (copy.hasReaders === hasReaders) return;
    copy.hasReaders = hasReaders;
    if (copy.generation.log.end !== undefined) return;
    const ids = [[copy.generation.id, hasReaders]];
    this.bus.tell(copy.owner, 'follow', { node: this.node, ids });
  }

  /** The owner answers when it has stopped; where it is gone, its burial ends the copy. */
  private async cancel(copy: Copy): Promise<void> {
    await this.bus.ask(copy.owner, 'cancel', { id: copy.generation.id }).catch(() => undefined);
    await this.catchUp(copy).catch(() => undefined);
  }

  private async head(copy: Copy): Promise<number> {
    if (copy.generation.log.end !== undefined) return copy.generation.log.seq;
    try {
      return Number(await this.bus.ask(copy.owner, 'head', { id: copy.generation.id }));
    } catch {
      // The owner is gone: whoever is ahead of the log gets the end that covers what was lost.
      return Infinity;
    }
  }

  private async meta(id: string): Promise<Meta | undefined> {
    const meta = await this.redis.ask((client) => client.hgetall(this.redis.prefix + hashOf(id)));
    return Object.keys(meta).length === 0 ? undefined : meta;
  }

  private forget(id: string): void {
    const copy = this.ready.get(id);
    this.ready.delete(id);
    this.byId.delete(id);
    if (copy !== undefined) this.grow(-copy.generation.log.size);
  }
}

/** How far beyond what is kept some reader may have seen: more than any answer has. */
const SEEN_BEYOND = 1_000_000_000;

/** The end of a generation whose node was lost; it covers all that some reader may have seen. */
export function lostEnd(generation: Generation): EndEntry {
  const { code, message } = new CastError('node_lost');
  const from = generation.log.seq + 1;
  return {
    seq: generation.log.seq + SEEN_BEYOND,
    from,
    said: {
      type: 'end',
      state: 'interrupted',
      code: code,
      detail: message,
      retryable: from === 1,
      retryAfterMs: undefined,
      ...generation.log.proofSoFar(),
    },
  };
}
