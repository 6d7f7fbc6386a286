import type { Config } from '../config/config.js';
import type { Generation } from '../generations/generation.js';
import type { Life } from '../generations/lifecycle.js';
import { type Claim, GenerationStore, type Name } from '../generations/store/generation-store.js';
import type { KeptMemory } from '../generations/store/kept-generations.js';
import { MemoryStore } from '../generations/store/memory-store.js';
import { CastError } from '../protocol/errors.js';
import type { StreamState } from '../protocol/stream-state.js';
import { ClaimedKeys } from './claimed-keys.js';
import type { Copies } from './copies.js';
import type { Keeper } from './keeper.js';
import { writeRequest } from './kept-request.js';
import { activeOf, hashOf, nameOf, noteOf } from './keys.js';
import { RecentEnds } from './recent-ends.js';
import type { RedisClient } from './redis.js';
import type { RefusedStarts } from './refused-starts.js';

/**
 * The generations of all nodes. Those of this node are in its memory, and copied to Redis; those of
 * others are copies of what is there.
 */
export class RedisStore extends GenerationStore {
  private readonly keys: ClaimedKeys;
  /** Epochs of what is taken over. */
  private readonly epochs = new Map<string, number>();
  private readonly recent = new RecentEnds(async (id) => {
    const generation = this.endedHere(id);
    if (generation !== undefined) await this.writeAgain(generation);
  });

  constructor(
    private readonly local: MemoryStore,
    private readonly redis: RedisClient,
    private readonly node: string,
    private readonly keeper: Keeper,
    private readonly copies: Copies,
    private readonly refused: RefusedStarts,
    private readonly config: Pick<
      Config,
      'QUEUE_TIMEOUT_MS' | 'GENERATION_TIMEOUT_MS' | 'RETAIN_MS' | 'CLUSTER_KEEP_REQUESTS'
    >,
  ) {
    super();
    this.keys = new ClaimedKeys(redis, refused, async (id) => local.has(id) || this.isKnown(id));
    redis.onReconnect(() => this.recent.doubt());
  }

  /** Looks again for what it could not be told of, and takes back what it has refused. */
  beat(): void {
    void this.recent.check();
    void this.refused.takeBack();
  }

  /** This node goes: resolves when what has ended here is as safe as it can be. */
  safe(): Promise<void> {
    return this.recent.safe();
  }

  newId(): string {
    return this.local.newId() + this.node;
  }

  keyed(claim: Claim): Promise<string | undefined> {
    return this.keys.keyed(claim);
  }

  claim(claim: Claim, id: string): Promise<string> {
    return this.keys.claim(claim, id);
  }

  unclaim(id: string): Promise<void> {
    return this.keys.unclaim(id);
  }

  release(id: string): Promise<void> {
    return this.keys.ended(id, 0);
  }

  async named(name: Name): Promise<string> {
    const key = this.redis.prefix + nameOf(name);
    const id = await this.redis.ask((client) => client.get(key));
    if (id === null) throw new CastError('generation_not_found');
    return id;
  }

  async add(life: Life, name?: Name): Promise<void> {
    const { generation } = life;
    const { id } = generation;
    const epoch = this.epochs.get(id) ?? 1;
    this.epochs.delete(id);
    const isKept = this.config.CLUSTER_KEEP_REQUESTS;
    const request = isKept ? () => writeRequest(life, this.keys.nameOf(id)) : undefined;
    await this.keeper.add(generation, request, epoch);
    if (name !== undefined) await this.give(name, id);
    this.local.add(life);
    const ttl = this.lifetimeMs;
    const { owner, note } = generation;
    const noteKey = this.redis.prefix + noteOf(id);
    const set = owner === undefined ? undefined : this.redis.prefix + activeOf(owner);
    const beside = this.redis.ask((client) =>
      Promise.all([
        note !== undefined && client.set(noteKey, JSON.stringify(note), 'PX', ttl),
        set !== undefined && client.sadd(set, id),
        set !== undefined && client.pexpire(set, ttl),
      ]),
    );
    await Promise.all([this.keys.keep(id, ttl), beside.catch(() => undefined)]);
  }

  /**
   * Names what is kept by now: a start that fails before takes the name from none that has it.
   * @throws CastError `store_unavailable`: the start is taken back
   */
  private async give(name: Name, id: string): Promise<void> {
    const key = this.redis.prefix + nameOf(name);
    try {
      await this.redis.ask((client) => client.set(key, id, 'PX', this.lifetimeMs));
    } catch (error) {
      this.keeper.letGo(id);
      this.refused.note(id);
      throw error;
    }
  }

  /** What is added next under this id was begun by another node. @param keyName of its idempotency key */
  inherit(id: string, epoch: number, keyName: string | undefined): void {
    this.epochs.set(id, epoch);
    if (keyName !== undefined) this.keys.inherit(id, keyName);
  }

  /**
   * Another node follows what has ended here, and does not know the end: where Redis has lost it, it is
   * written again.
   * @returns false where it has not ended here
   */
  keepAgain(id: string): boolean {
    const generation = this.endedHere(id);
    if (generation === undefined) return false;
    this.writeAgain(generation).catch(() => undefined);
    return true;
  }

  private endedHere(id: string): Generation | undefined {
    const generation = this.local.has(id) ? this.local.find(id) : undefined;
    return generation?.log.end === undefined ? undefined : generation;
  }

  private async writeAgain(generation: Generation): Promise<void> {
    const key = this.redis.prefix + hashOf(generation.id);
    const [epoch, owner, end] = await this.redis.ask((client) =>
      client.hmget(key, 'epoch', 'owner', 'end'),
    );
    const isLost = epoch === null || (owner === this.node && end === null);
    if (isLost && !this.keeper.has(generation.id))
      await this.keeper.add(generation, undefined, Number(epoch ?? 1));
  }

  /** It goes on at another node. */
  async handOver(life: Life, owner: string): Promise<void> {
    const { generation } = life;
    this.local.remove(life);
    // The copy counts what the log takes.
    this.local.grow(generation.log.size);
    this.keys.forget(generation.id);
    this.keeper.letGo(generation.id);
    await this.copies.take(generation, owner);
  }

  find(id: string): Generation | Promise<Generation> {
    return this.local.has(id) ? this.local.find(id) : this.copies.find(id);
  }

  async activeOf(user: string): Promise<StreamState[]> {
    const set = this.redis.prefix + activeOf(user);
    const own = this.local.activeOf(user);
    const ids = await this.redis.ask((client) => client.smembers(set)).catch(() => []);
    const others = ids.filter((id) => !this.local.has(id)).map((id) => this.stateOf(id, set));
    const states = await Promise.all(others).catch(() => []);
    return [...own, ...states.flatMap((state) => state ?? [])];
  }

  /** What a generation of another node does; one that does nothing any more leaves its user's set. */
  private async stateOf(id: string, set: string): Promise<StreamState | undefined> {
    const hash = this.redis.prefix + hashOf(id);
    const [state, end] = await this.redis.ask((client) => client.hmget(hash, 'state', 'end'));
    if (typeof state === 'string' && end === null) return JSON.parse(state) as StreamState;
    this.redis.ask((client) => client.srem(set, id)).catch(() => undefined);
    return undefined;
  }

  ended(life: Life): void {
    // Another node may have ended it.
    if (this.local.has(life.generation.id)) {
      this.local.ended(life);
      this.recent.note(life.generation.id);
    }
    const { id, owner, note } = life.generation;
    void this.keys.ended(id, this.config.RETAIN_MS);
    this.redis
      .ask((client) =>
        Promise.all([
          note !== undefined &&
            client.pexpire(this.redis.prefix + noteOf(id), this.config.RETAIN_MS),
          owner !== undefined && client.srem(this.redis.prefix + activeOf(owner), id),
        ]),
      )
      .catch(() => undefined);
  }

  grow(bytes: number): void {
    this.local.grow(bytes);
  }

  *held(): Iterable<Generation> {
    yield* this.local.held();
    yield* this.copies.held();
  }

  get memory(): KeptMemory {
    return this.local.memory;
  }

  get isFull(): boolean {
    return this.local.isFull;
  }

  get behind(): number {
    return this.local.behind + this.keeper.behind + this.copies.behind;
  }

  private async isKnown(id: string): Promise<boolean> {
    const hash = this.redis.prefix + hashOf(id);
    return (await this.redis.ask((client) => client.exists(hash))) === 1;
  }

  private get lifetimeMs(): number {
    const { QUEUE_TIMEOUT_MS, GENERATION_TIMEOUT_MS, RETAIN_MS } = this.config;
    return QUEUE_TIMEOUT_MS + GENERATION_TIMEOUT_MS + RETAIN_MS;
  }
}
