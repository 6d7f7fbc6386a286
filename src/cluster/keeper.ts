import { Logger } from '@nestjs/common';
import type { Config } from '../config/config.js';
import type { Generation } from '../generations/generation.js';
import type { Lifecycle } from '../generations/lifecycle.js';
import type { EndEntry } from '../generations/log/entry.js';
import { CastError } from '../protocol/errors.js';
import { append } from './append.js';
import { Followers } from './followers.js';
import { confirmed, fieldsOf, type Kept, lastOf, newsOf } from './kept.js';
import { birthOf, keysToOpen, runningOf } from './keys.js';
import type { RedisClient } from './redis.js';
import type { RefusedStarts } from './refused-starts.js';
import { Ticks } from './ticks.js';

/**
 * How long an end waits for Redis, in milliseconds: longer than a failover or a restart takes, however
 * short the lease. Where Redis is away for longer, the readers of this node are told, and Redis when it
 * is back.
 */
const END_WAIT_MS = 20_000;
/** Shortest life of what runs, beyond its own limits: a pull may take a day. */
const TWO_DAYS_MS = 2 * 86_400_000;

/**
 * Copies the logs of this node's generations to Redis: a cursor on each log, and one script call for
 * all that is new. No reader of this node waits for it.
 * New, on its way and failed are one state; so this file is longer than others.
 */
export class Keeper {
  private readonly logger = new Logger('Keeper');
  private readonly byId = new Map<string, Kept>();
  private readonly ticks = new Ticks(this.byId, (due) => this.flush(due));

  constructor(
    private readonly redis: RedisClient,
    private readonly node: string,
    private readonly config: Pick<
      Config,
      'QUEUE_TIMEOUT_MS' | 'GENERATION_TIMEOUT_MS' | 'RETAIN_MS' | 'NODE_LEASE_MS'
    >,
    private readonly lifecycle: Lifecycle,
    private readonly refused: RefusedStarts,
  ) {}

  /** Copies of what runs here that other nodes keep up to date, in all. */
  get followers(): number {
    let followers = 0;
    for (const kept of this.byId.values()) followers += kept.followers.nodes.length;
    return followers;
  }

  /** How many entries Redis does not have yet. */
  get behind(): number {
    let behind = 0;
    for (const kept of this.byId.values()) behind += lastOf(kept) - kept.cursor;
    return behind;
  }

  /** How many generations of this node are still to be kept. */
  get size(): number {
    return this.byId.size;
  }

  has(id: string): boolean {
    return this.byId.has(id);
  }

  /**
   * Makes a generation known to all nodes, and keeps its log from now on.
   * @param request its request as JSON, kept until it has begun; undefined where nobody may take it over
   * @param epoch 1, or what taking it over has given
   * @throws CastError `store_unavailable`
   */
  async add(
    generation: Generation,
    request: (() => string) | undefined,
    epoch: number,
  ): Promise<void> {
    const { id } = generation;
    const kept: Kept = {
      generation,
      fields: fieldsOf(generation, this.node),
      request,
      ending: undefined,
      unfollow: generation.follow({
        entry: ({ seq }) => (seq === 1 ? this.ticks.now(kept) : this.ticks.next(kept)),
        state: () => {
          kept.stateIsNew = true;
          this.ticks.next(kept);
        },
      }),
      epoch,
      cursor: 0,
      stateIsNew: false,
      isGone: false,
      dueAt: Infinity,
      confirmedAt: performance.now(),
      followers: new Followers(() => generation.attend()),
    };
    this.byId.set(id, kept);
    try {
      if (!(await this.open(kept))) throw new CastError('store_unavailable');
    } catch (error) {
      this.drop(kept);
      if (epoch === 1 && generation.log.seq === 0) this.refused.note(id);
      throw error;
    }
    // One that has ended is written again: Redis has lost it.
    if (generation.log.end !== undefined) this.ticks.now(kept);
  }

  /** Another node has taken it over. */
  letGo(id: string): void {
    const kept = this.byId.get(id);
    if (kept !== undefined) this.drop(kept);
  }

  /**
   * Another node has copies of these, and asks for what is new; it asks again at each of its beats.
   * @param hasReaders whether somebody reads the copy
   * @returns ids that do not run here
   */
  follow(node: string, asked: readonly (readonly [string, boolean])[]): string[] {
    const until = performance.now() + 2 * this.config.NODE_LEASE_MS;
    return asked.flatMap(([id, hasReaders]) => {
      const kept = this.byId.get(id);
      if (kept === undefined) return [id];
      kept.followers.note(node, hasReaders, until);
      return [];
    });
  }

  /**
   * The first entry is about to be shown: Redis forgets the request, where it is kept, and says whether
   * the generation is still this node's, where it has not said so for half a lease.
   * @returns resolves when it has answered; undefined where there is nothing to ask
   */
  confirm(id: string): Promise<void> | undefined {
    const kept = this.byId.get(id);
    if (kept === undefined) return undefined;
    const isDoubtful = performance.now() - kept.confirmedAt > this.config.NODE_LEASE_MS / 2;
    return isDoubtful || kept.request !== undefined ? this.askWhose(kept) : undefined;
  }

  private async askWhose(kept: Kept): Promise<void> {
    const isKept = (): boolean => this.byId.get(kept.generation.id) === kept;
    const isOurs = await confirmed(this.redis, kept, isKept);
    if (isOurs) kept.request = undefined;
    else this.fenced(kept);
  }

  /**
   * Writes the end of a generation, unless another node has taken it over.
   * @returns resolves when Redis has it, or was away for {@link END_WAIT_MS}: the readers may be told;
   * with false where another node writes the end
   */
  seal(id: string, entry: EndEntry): Promise<boolean> {
    const kept = this.byId.get(id);
    if (kept === undefined) return Promise.resolve(false);
    return new Promise((settle) => {
      kept.ending = { entry, since: performance.now(), settle };
      this.ticks.now(kept);
    });
  }

  /** Forgets followers that have not asked again, and tells again what Redis has lost. */
  beat(): void {
    for (const kept of this.byId.values()) {
      kept.followers.expire(performance.now());
      if (kept.isGone) this.ticks.next(kept);
    }
  }

  close(): void {
    this.ticks.close();
    for (const kept of this.byId.values()) this.drop(kept);
  }

  private async flush(due: readonly Kept[]): Promise<void> {
    const births = new Map<string, Kept[]>();
    for (const kept of due) {
      const birth = birthOf(kept.generation.id) ?? '';
      const some = births.get(birth);
      if (some === undefined) births.set(birth, [kept]);
      else some.push(kept);
    }
    await Promise.all([...births.values()].map((some) => this.appendOrTell(some)));
  }

  /** An end that has waited long enough is told, though Redis does not have it. */
  private async appendOrTell(some: readonly Kept[]): Promise<void> {
    const since = performance.now() - END_WAIT_MS;
    try {
      await this.append(some);
    } catch (error) {
      // It was tried after that time: a node that has stood still tries once more.
      for (const { ending } of some)
        if (ending !== undefined && ending.since < since) ending.settle(true);
      throw error;
    }
  }

  private async append(some: readonly Kept[]): Promise<void> {
    await Promise.all(some.filter(({ isGone }) => isGone).map((kept) => this.reopen(kept)));
    const calls = some.map((kept) => newsOf(kept, this.lifetimeMs, this.config));
    const askedAt = performance.now();
    let answers: string[];
    try {
      answers = await append(this.redis, calls);
    } catch (error) {
      for (const [at, kept] of some.entries()) {
        kept.stateIsNew ||= calls[at]?.state !== '';
        kept.dueAt = 0;
      }
      throw error;
    }
    for (const [at, kept] of some.entries()) {
      kept.confirmedAt = askedAt;
      this.settle(kept, calls[at]?.seq ?? kept.cursor, answers[at] ?? '');
    }
  }

  private settle(kept: Kept, sent: number, answer: string): void {
    const { id, log } = kept.generation;
    const [word, top] = answer.split(' ');
    switch (word) {
      case 'ok':
        kept.cursor = sent;
        break;
      case 'dup':
      case 'gap':
        kept.cursor = Math.min(Number(top), lastOf(kept));
        break;
      case 'gone':
        kept.isGone = true;
        kept.cursor = 0;
        break;
      case 'fenced':
        return this.fenced(kept);
      default:
        this.logger.error(`Redis answered ${answer}`);
    }
    if (kept.cursor < lastOf(kept) || kept.isGone) {
      // What came meanwhile has its tick; what one batch did not hold has none.
      if (word !== 'ok' || kept.dueAt === Infinity) kept.dueAt = 0;
    } else if (kept.ending !== undefined || log.end !== undefined) {
      kept.ending?.settle(true);
      this.drop(kept);
      if (birthOf(id) === this.node) return;
      // It stands among those of this node too, as one that was taken over.
      const key = this.redis.prefix + runningOf(this.node);
      this.redis.ask((client) => client.srem(key, id)).catch(() => undefined);
    }
    if (kept.cursor > 0) kept.request = undefined;
  }

  private async reopen(kept: Kept): Promise<void> {
    if (await this.open(kept)) kept.isGone = false;
    else this.fenced(kept);
  }

  /** Another node has taken it over. */
  private fenced(kept: Kept): void {
    if (!this.byId.has(kept.generation.id)) return;
    this.lifecycle.tell('fenced');
    this.drop(kept);
    kept.generation.lose();
  }

  /** @returns false where another node has taken it over */
  private async open({ generation, epoch, fields, request }: Kept): Promise<boolean> {
    const { id, log } = generation;
    const keys = keysToOpen(id).map((key) => this.redis.prefix + key);
    const more = request === undefined || log.seq > 0 ? [] : ['request', request()];
    const args = [epoch, this.lifetimeMs, id, ...fields, ...more];
    return (await this.redis.run('open', keys, args)) === 1;
  }

  private drop(kept: Kept): void {
    kept.unfollow();
    this.byId.delete(kept.generation.id);
    kept.followers.clear();
    kept.ending?.settle(false);
  }

  private get lifetimeMs(): number {
    const { QUEUE_TIMEOUT_MS, GENERATION_TIMEOUT_MS, RETAIN_MS } = this.config;
    return Math.max(TWO_DAYS_MS, QUEUE_TIMEOUT_MS + GENERATION_TIMEOUT_MS + RETAIN_MS);
  }
}
