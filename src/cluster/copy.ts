import { type Driver, Generation, type GenerationFacts } from '../generations/generation.js';
import type { Lifecycle } from '../generations/lifecycle.js';
import type { CancelReason } from '../generations/log/entry.js';
import type { DoorName } from '../generations/log/reader.js';
import { CastError } from '../protocol/errors.js';
import type { StreamState } from '../protocol/stream-state.js';
import { applyItems, type Item, parseItems } from './batch.js';
import { FORMAT, hashOf, streamOf } from './keys.js';
import type { NodeBus } from './node-bus.js';
import type { RedisClient } from './redis.js';

/** Most batches that are read at one time. */
const MAX_BATCHES = 1_000;

/** What of the hash of a generation is read. */
const FIELDS = [
  'v',
  'owner',
  'user',
  'model',
  'ep',
  'at',
  'waited',
  'state',
  'seq',
  'end',
] as const;
export type Meta = Partial<Record<(typeof FIELDS)[number], string>>;

/** What all copies of a node share. */
export interface CopyContext {
  readonly redis: RedisClient;
  readonly bus: NodeBus;
  /** Id of this node. */
  readonly node: string;
  /** Called with the bytes by which copies have grown. */
  readonly grow: (bytes: number) => void;
  readonly lifecycle: Lifecycle;
}

/**
 * What Redis says of a generation.
 * @throws CastError `generation_not_found`; `store_unavailable`, also for what another version has written
 */
export async function metaOf(redis: RedisClient, id: string): Promise<Meta> {
  const key = redis.prefix + hashOf(id);
  const values = await redis.ask((client) => client.hmget(key, ...FIELDS));
  const said = FIELDS.flatMap((field, at) => {
    const value = values[at];
    return typeof value === 'string' ? [[field, value] as const] : [];
  });
  if (said.length === 0) throw new CastError('generation_not_found');
  const meta: Meta = Object.fromEntries(said);
  // Nodes of two versions run beside each other while one replaces the other: that one has it.
  if ((meta.v ?? FORMAT) !== FORMAT) throw new CastError('store_unavailable');
  return meta;
}

/** A generation that runs on another node, driven by what Redis has of it. */
export class Copy implements Driver {
  readonly generation: Generation;
  hasReaders = false;
  /** When it was last asked for, by this node's monotonic clock. */
  usedAt = performance.now();
  /** Id of the last batch that was read from the stream. */
  private streamId = '0-0';
  /** The one catching up that goes on. */
  private catchingUp: Promise<void> | undefined;
  private isStale = false;
  /** The owner that was told to stop it, and has not refused. */
  private toldToCancel: string | undefined;
  private goneSince: number | undefined;

  /** @param generation what is known of it; or one that has run here, with its readers */
  constructor(
    private readonly context: CopyContext,
    generation: GenerationFacts | Generation,
    public owner: string,
  ) {
    if (generation instanceof Generation) {
      this.generation = generation;
      generation.drivenBy(this);
    } else this.generation = new Generation(generation, this);
  }

  /** @param note what the door that began it has to know of it */
  static of(context: CopyContext, id: string, meta: Meta, note: unknown): Copy {
    const { ep, model, user, owner, at, waited } = meta;
    const facts = {
      id,
      endpoint: ep as Generation['endpoint'],
      model: model ?? '',
      owner: user === '' ? undefined : user,
      createdAt: Number(at),
      note,
    };
    const copy = new Copy(context, facts, owner ?? '');
    copy.generation.waited = waited === '1';
    return copy;
  }

  get hasEnded(): boolean {
    return this.generation.log.end !== undefined;
  }

  /** Whether somebody waits for it to stop. */
  get isCancelled(): boolean {
    return this.generation.cancelReason !== undefined && !this.hasEnded;
  }

  /**
   * Asks the owner for what is new.
   * @returns whether it runs there
   * @throws CastError where it does not answer
   */
  async follow(): Promise<boolean> {
    const { bus, node } = this.context;
    const { id } = this.generation;
    const unknown = await bus.ask(this.owner, 'follow', { node, ids: [[id, this.hasReaders]] });
    return !(unknown as string[]).includes(id);
  }

  /** What its owner passes on. */
  hear(items: readonly Item[]): void {
    // While it catches up, what comes is in the stream already.
    if (this.catchingUp !== undefined) this.isStale = true;
    else if (!applyItems(this.generation, items)) this.catchUp().catch(() => undefined);
  }

  /** Reads from the stream what is missing; calls at one time share one reading. */
  catchUp(): Promise<void> {
    this.isStale = true;
    this.catchingUp ??= this.readOn().finally(() => (this.catchingUp = undefined));
    return this.catchingUp;
  }

  /** Compares it with what Redis has. */
  async check(): Promise<void> {
    const { redis } = this.context;
    const meta = await metaOf(redis, this.generation.id);
    if (this.hasEnded) return;
    this.goneSince = undefined;
    this.owner = meta.owner ?? this.owner;
    const { cancelReason } = this.generation;
    if (cancelReason !== undefined) this.cancel(cancelReason);
    if (Number(meta.seq) > this.generation.log.seq) await this.catchUp();
    this.setState(meta);
  }

  /** Redis has lost it. @returns since how many milliseconds */
  missed(): number {
    this.goneSince ??= performance.now();
    this.streamId = '0-0';
    return performance.now() - this.goneSince;
  }

  setState({ state }: Meta): void {
    if (this.hasEnded || state === undefined) return;
    const { generationId: _id, ...said } = JSON.parse(state) as StreamState;
    const status = { generationId: this.generation.id, ...said };
    if (JSON.stringify(status) === JSON.stringify(this.generation.status)) return;
    this.generation.announce(said);
  }

  /** @internal */
  onAudience(hasReaders: boolean): void {
    this.usedAt = performance.now();
    if (this.hasReaders === hasReaders) return;
    this.hasReaders = hasReaders;
    if (this.hasEnded) return;
    const { bus, node } = this.context;
    bus.tell(this.owner, 'follow', { node, ids: [[this.generation.id, hasReaders]] });
  }

  /** @internal */
  onGrow(bytes: number): void {
    this.context.grow(bytes);
  }

  /** @internal */
  onDelivered(door: DoorName, lagMs: number): void {
    this.context.lifecycle.tell('delivered', door, lagMs);
  }

  /** @internal It was lost already: it runs elsewhere. */
  onLost(): void {}

  /**
   * @internal The owner answers when it has stopped. Where it is gone, or has not got it yet, the next
   * check tells whoever has it then.
   */
  cancel(reason: CancelReason): void {
    const { owner } = this;
    const { bus, node } = this.context;
    if (owner === node || owner === this.toldToCancel) return;
    this.toldToCancel = owner;
    void bus
      .ask(owner, 'cancel', { id: this.generation.id, reason })
      .catch(() => void (this.toldToCancel = undefined))
      .then(() => this.catchUp())
      .catch(() => undefined);
  }

  /** @internal Whether others read it, only the owner knows. */
  giveUp(): void {
    const { bus, node } = this.context;
    if (this.owner !== node) bus.tell(this.owner, 'giveUp', { id: this.generation.id });
  }

  /** @internal */
  async head(): Promise<number> {
    const { id, log } = this.generation;
    if (log.end !== undefined) return log.seq;
    try {
      return Number(await this.context.bus.ask(this.owner, 'head', { id }));
    } catch {
      // The owner is gone: whoever is ahead of the log gets the end that covers what was lost.
      return Infinity;
    }
  }

  private async readOn(): Promise<void> {
    const { redis } = this.context;
    const key = redis.prefix + streamOf(this.generation.id);
    while (this.isStale) {
      this.isStale = false;
      const entries = await redis.ask((client) =>
        client.xrange(key, `(${this.streamId}`, '+', 'COUNT', MAX_BATCHES),
      );
      for (const [streamId, [, data = '']] of entries) {
        if (!applyItems(this.generation, parseItems(data))) return;
        this.streamId = streamId;
      }
      if (entries.length === MAX_BATCHES) this.isStale = true;
    }
  }
}
