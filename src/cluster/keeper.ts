import { Logger } from '@nestjs/common';
import type { Config } from '../config/config.js';
import type { Generation } from '../generations/generation.js';
import type { Lifecycle } from '../generations/lifecycle.js';
import type { EndEntry } from '../generations/log/entry.js';
import { CastError } from '../protocol/errors.js';
import { append } from './append.js';
import { batchAfter } from './batch.js';
import { Followers } from './followers.js';
import { confirmed, fieldsOf, type Kept, lastOf } from './kept.js';
import { batchesTo, birthOf, hashOf, runningOf } from './keys.js';
import type { RedisClient } from './redis.js';

/**
 * What is new waits for the next tick, so that one call takes what is new of all generations: a tick comes
 * every so many milliseconds, the second for what other nodes read along. The first entry and the end do
 * not wait.
 */
const WINDOW_MS = 100;
const FOLLOWED_WINDOW_MS = 50;
/** A timer may be early by so much, in milliseconds. */
const EARLY_MS = 2;
/** Pause after a failed call, doubled each time up to the longest. */
const RETRY_MS = 250;
const LONGEST_RETRY_MS = 2_000;
/**
 * How many leases an end waits for Redis: where it is away for longer, the readers of this node are told,
 * and Redis when it is back.
 */
const END_LEASES = 4;
/** Most generations in one call. */
const MAX_IN_CALL = 200;
/** How long what did not begin is still known, in milliseconds. */
const REMOVED_MS = 1_000;
/** Shortest life of what runs, beyond its own limits: a pull may take a day. */
const TWO_DAYS_MS = 2 * 86_400_000;

/**
 * Copies the logs of this node's generations to Redis: a cursor on each log, and one script call for
 * all that is new. No reader of this node waits for it.
 * What is new, on its way, failed and removed of a generation is one state; so this file is longer than
 * others.
 */
export class Keeper {
  private readonly logger = new Logger('Keeper');
  private readonly byId = new Map<string, Kept>();
  private timer: NodeJS.Timeout | undefined;
  private timerAt = Infinity;
  private isFlushing = false;
  private failures = 0;

  constructor(
    private readonly redis: RedisClient,
    private readonly node: string,
    private readonly config: Pick<
      Config,
      'QUEUE_TIMEOUT_MS' | 'GENERATION_TIMEOUT_MS' | 'RETAIN_MS' | 'NODE_LEASE_MS'
    >,
    private readonly lifecycle: Lifecycle,
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
        entry: ({ seq }) => this.note(kept, seq === 1),
        state: () => {
          kept.stateIsNew = true;
          this.note(kept, false);
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
      throw error;
    }
    // One that has ended is written again: Redis has lost it.
    if (generation.log.end !== undefined) this.note(kept, true);
  }

  /** It did not begin: nobody is to find it any more. */
  remove(id: string): void {
    this.letGo(id);
    // What another node has begun is still to be found: it is taken over again.
    if (birthOf(id) !== this.node) return;
    const keys = [hashOf(id), runningOf(birthOf(id) ?? '')].map((key) => this.redis.prefix + key);
    // Never deleted at once: an old command could be taken for a new one.
    void this.redis
      .ask((client) => client.pexpire(keys[0]!, REMOVED_MS).then(() => client.srem(keys[1]!, id)))
      .catch(() => undefined);
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
   * @returns resolves when Redis has it, or was away for {@link END_LEASES}: the readers may be told;
   * with false where another node writes the end
   */
  seal(id: string, entry: EndEntry): Promise<boolean> {
    const kept = this.byId.get(id);
    if (kept === undefined) return Promise.resolve(false);
    return new Promise((settle) => {
      kept.ending = { entry, since: performance.now(), settle };
      this.note(kept, true);
    });
  }

  /** Forgets followers that have not asked again, and tells again what Redis has lost. */
  beat(): void {
    for (const kept of this.byId.values()) {
      kept.followers.expire(performance.now());
      if (kept.isGone) this.note(kept, false);
    }
  }

  close(): void {
    clearTimeout(this.timer);
    for (const kept of this.byId.values()) this.drop(kept);
  }

  private note(kept: Kept, isUrgent: boolean): void {
    // It has its tick already.
    if (!isUrgent && kept.dueAt !== Infinity) return;
    const now = performance.now();
    const window = kept.followers.isEmpty ? WINDOW_MS : FOLLOWED_WINDOW_MS;
    // A tick that comes early has taken what was there: what follows waits for the next one.
    kept.dueAt = isUrgent ? now : (Math.floor((now + EARLY_MS) / window) + 1) * window;
    this.schedule(kept.dueAt);
  }

  private schedule(dueAt: number): void {
    if (this.isFlushing || this.failures > 0 || dueAt >= this.timerAt) return;
    this.setTimer(dueAt);
  }

  private setTimer(dueAt: number): void {
    clearTimeout(this.timer);
    this.timerAt = dueAt;
    this.timer = setTimeout(() => void this.flush(), Math.max(0, dueAt - performance.now()));
  }

  /** Copies what is due, and what is as good as due. */
  private async flush(): Promise<void> {
    this.timerAt = Infinity;
    this.isFlushing = true;
    const soon = performance.now() + EARLY_MS;
    const due = [...this.byId.values()].filter(({ dueAt }) => dueAt <= soon).slice(0, MAX_IN_CALL);
    try {
      const births = new Map<string, Kept[]>();
      for (const kept of due) {
        const birth = birthOf(kept.generation.id) ?? '';
        const some = births.get(birth);
        if (some === undefined) births.set(birth, [kept]);
        else some.push(kept);
      }
      await Promise.all([...births.values()].map((some) => this.appendOrTell(some)));
      this.failures = 0;
    } catch (error) {
      if (!(error instanceof CastError)) this.logger.error(error);
      this.failures++;
    }
    this.isFlushing = false;
    let next = Infinity;
    for (const { dueAt } of this.byId.values()) next = Math.min(next, dueAt);
    if (next === Infinity) return void (this.failures = 0);
    const pause = Math.min(RETRY_MS * 2 ** (this.failures - 1), LONGEST_RETRY_MS);
    this.setTimer(this.failures > 0 ? performance.now() + pause : next);
  }

  /** An end that has waited long enough is told, though Redis does not have it. */
  private async appendOrTell(some: readonly Kept[]): Promise<void> {
    const since = performance.now() - END_LEASES * this.config.NODE_LEASE_MS;
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
    const calls = some.map((kept) => {
      const { generation, epoch, cursor, followers, ending } = kept;
      const { id, status } = generation;
      const batch = batchAfter(generation, cursor, ending?.entry);
      const last = batch?.end === undefined ? status : { ...status, state: batch.end.state };
      const state = kept.stateIsNew || batch?.end !== undefined ? JSON.stringify(last) : '';
      kept.dueAt = Infinity;
      kept.stateIsNew = false;
      const channels = followers.nodes.map((node) => this.channelTo(id, node));
      const call = {
        id,
        epoch,
        from: cursor + 1,
        seq: batch?.seq ?? cursor,
        items: batch?.json ?? '',
        ttlMs: batch?.end === undefined ? this.lifetimeMs : this.config.RETAIN_MS,
        ending: batch?.end?.state,
        state,
        channels,
      };
      return { kept, batch, state, call };
    });
    const askedAt = performance.now();
    let answers: string[];
    try {
      const all = calls.map(({ call }) => call);
      answers = await append(this.redis, all);
    } catch (error) {
      for (const { kept, state } of calls) {
        kept.stateIsNew ||= state !== '';
        kept.dueAt = 0;
      }
      throw error;
    }
    for (const [at, { kept, batch }] of calls.entries()) {
      kept.confirmedAt = askedAt;
      this.settle(kept, batch?.seq ?? kept.cursor, answers[at] ?? '');
    }
  }

  private settle(kept: Kept, sent: number, answer: string): void {
    const { generation } = kept;
    const { id } = generation;
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
      kept.dueAt = Math.min(kept.dueAt, performance.now());
    } else if (kept.ending !== undefined || generation.log.end !== undefined) {
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
    const keys = [hashOf(id), runningOf(birthOf(id) ?? '')].map((key) => this.redis.prefix + key);
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

  private channelTo(id: string, node: string): string {
    return this.redis.prefix + batchesTo(birthOf(id) ?? '', node);
  }

  private get lifetimeMs(): number {
    const { QUEUE_TIMEOUT_MS, GENERATION_TIMEOUT_MS, RETAIN_MS } = this.config;
    return Math.max(TWO_DAYS_MS, QUEUE_TIMEOUT_MS + GENERATION_TIMEOUT_MS + RETAIN_MS);
  }
}
