import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { Upstream } from '../cast/upstream.js';
import { NOTICEABLE_MS } from '../generations/line/patience.js';
import type { LineLimits, SlotKeeper, Ticket } from '../generations/line/slot-keeper.js';
import type { QueueView } from '../protocol/answers.js';
import { CastError } from '../protocol/errors.js';
import { busOf } from './keys.js';
import type { RedisClient } from './redis.js';
import type { ScriptName } from './scripts.js';
import { toldTicket, type ToldTicket } from './told-ticket.js';

/** A ticket of this node. */
interface Entry {
  readonly id: string;
  readonly ticket: Ticket;
  told: ToldTicket;
  /** It holds a slot of this upstream. */
  upstream: Upstream | undefined;
  /** The line has answered to it. */
  isKnown: boolean;
}

interface Answer {
  refusal?: 'queue_full' | 'rate_limited';
  position?: number;
  started?: [string, string][];
  a?: number;
  o?: Record<string, number>;
  /** In how many milliseconds the patience of a ticket ends. */
  wake?: number;
}

interface Mine extends Answer {
  waiting: [string, number][];
  held: [string, string][];
}

/** How long a line that Redis has lost stays closed, in beats: every node tells first what it holds. */
const BEATS_UNTIL_OPEN = 3;

/**
 * The slots and the line of all nodes, in Redis. What this node holds and what of it waits is also
 * known here; at each beat both are compared, and what was lost on either side is told again.
 * Each method reads and writes the same tickets; so this file is longer than others.
 */
export class RedisLine implements SlotKeeper {
  private readonly logger = new Logger('Line');
  private readonly byId = new Map<string, Entry>();
  private readonly byTicket = new Map<Ticket, Entry>();
  private readonly settings: string;
  private readonly byKey: ReadonlyMap<string, Upstream>;
  /** Generations of other nodes that are to keep their places, and the node that each of them had. */
  private readonly inherited = new Map<string, string>();
  private entered = 0;
  /** Runs while a ticket is patient: whoever has seen that looks again when it ends. */
  private waking: NodeJS.Timeout | undefined;

  /**
   * @param upstreams in the order in which their free slots are given
   * @param node id of this node
   * @param beatMs time between two calls of {@link beat}
   */
  constructor(
    private readonly redis: RedisClient,
    private readonly upstreams: readonly Upstream[],
    private readonly limits: LineLimits,
    node: string,
    private readonly beatMs: number,
  ) {
    this.byKey = new Map(upstreams.map((upstream) => [upstream.key, upstream]));
    this.settings = JSON.stringify({
      node,
      bus: redis.prefix + busOf(''),
      slots: upstreams.map(({ key, slots }) => [key, slots]),
      maxQueue: limits.maxQueue,
      perUser: limits.maxConcurrentPerUser,
      queuePerUser: limits.maxQueuePerUser,
      noticeable: NOTICEABLE_MS,
    });
  }

  async enter(ticket: Ticket): Promise<number> {
    const entry = this.remember(ticket, false);
    let answer: Answer;
    try {
      answer = await this.take(entry);
    } catch (error) {
      // It may have been heard all the same: the next beat takes out what is not known here.
      this.forget(entry);
      throw error;
    }
    if (answer.refusal !== undefined) {
      this.forget(entry);
      throw new CastError(answer.refusal);
    }
    this.learn(entry, answer);
    this.begin(answer);
    // It may have left while it was on its way.
    return this.byId.has(entry.id) ? (answer.position ?? 0) : 0;
  }

  /** Its ticket, which enters next, takes the place that it has on another node. */
  inherit(generationId: string, from: string): void {
    this.inherited.set(generationId, from);
  }

  /** Another node takes it over: here nothing more is done for it, and its place stays. */
  letGo(generationId: string): void {
    const entries = [...this.byId.values()];
    for (const entry of entries) if (entry.ticket.id === generationId) this.forget(entry);
  }

  async reenter(ticket: Ticket): Promise<void> {
    const entry = this.remember(ticket, true);
    try {
      const answer = await this.run('lineEnter', entry.id, JSON.stringify(entry.told));
      this.learn(entry, answer);
      this.begin(answer);
    } catch {
      // The next beat tells of it.
      entry.isKnown = true;
    }
  }

  async leave(ticket: Ticket): Promise<void> {
    const entry = this.byTicket.get(ticket);
    if (entry !== undefined && entry.upstream === undefined) await this.giveBack(entry);
  }

  async release(ticket: Ticket): Promise<void> {
    const entry = this.byTicket.get(ticket);
    if (entry?.upstream !== undefined) await this.giveBack(entry);
  }

  async dispatch(): Promise<void> {
    const changes: [string, string[], string[]][] = [];
    for (const entry of this.byId.values()) {
      if (entry.upstream !== undefined) continue;
      const told = toldTicket(entry.ticket, entry.told.r);
      const isSame = same(told.c, entry.told.c) && same(told.p, entry.told.p);
      entry.told = { ...entry.told, c: told.c, p: told.p };
      if (!isSame) changes.push([entry.id, told.c, told.p]);
    }
    if (changes.length > 0) await this.attempt('lineMove', JSON.stringify(changes));
  }

  async view(): Promise<QueueView> {
    const view = (await this.run('lineView')) as {
      waiting: number;
      upstreams: [number, number][];
    };
    return {
      waiting: view.waiting,
      maxWaiting: this.limits.maxQueue,
      upstreams: this.upstreams.map(({ name, slots }, at) => {
        const [running = 0, waiting = 0] = view.upstreams[at] ?? [];
        return { name, running, slots, waiting };
      }),
    };
  }

  /** Another node's call has given a ticket of this node a slot. */
  started(id: string, upstream: string): void {
    this.begin({ started: [[id, upstream]] });
  }

  /**
   * Compares what is known here with what Redis knows, mends what differs, and tells the positions.
   * @throws CastError `store_unavailable`
   */
  async beat(): Promise<void> {
    const mine = (await this.run('lineMine', randomUUID(), BEATS_UNTIL_OPEN * this.beatMs)) as Mine;
    const { waiting, held } = mine;
    this.begin(mine);
    const missing = new Set(this.byId.keys());
    const gone: string[] = [];
    for (const [id, position] of list(waiting)) {
      missing.delete(id);
      const entry = this.byId.get(id);
      if (entry === undefined) gone.push(id);
      else if (entry.upstream === undefined && position > 0) entry.ticket.moved(position);
    }
    for (const [id, upstream] of list(held)) {
      missing.delete(id);
      if (this.byId.has(id)) this.started(id, upstream);
      else gone.push(id);
    }
    if (gone.length > 0) await this.attempt('lineLeave', JSON.stringify(gone));
    const lost = [...missing].flatMap((id) => this.byId.get(id) ?? []);
    const told = lost
      .filter(({ isKnown }) => isKnown)
      .map(({ id, told: ticket, upstream }) => [
        id,
        { a: 0, o: {}, ...ticket },
        upstream?.key ?? false,
      ]);
    if (told.length > 0) await this.attempt('lineTell', JSON.stringify(told));
  }

  /**
   * Frees what a dead node held and where it waited.
   * @throws CastError `store_unavailable`
   */
  async drop(node: string): Promise<void> {
    this.begin(await this.run('lineDrop', node));
  }

  private take({ id, told, ticket }: Entry): Promise<Answer> {
    const from = this.inherited.get(ticket.id);
    this.inherited.delete(ticket.id);
    return from === undefined
      ? this.run('lineEnter', id, JSON.stringify(told))
      : this.run('lineTake', id, JSON.stringify(told), from, `${ticket.id}#`);
  }

  private remember(ticket: Ticket, isRetry: boolean): Entry {
    // A request that comes again is another ticket: no late message can mean the one before.
    const id = `${ticket.id}#${++this.entered}`;
    const told = toldTicket(ticket, isRetry);
    const entry: Entry = { id, ticket, told, upstream: undefined, isKnown: false };
    this.byId.set(id, entry);
    this.byTicket.set(ticket, entry);
    return entry;
  }

  private forget(entry: Entry): void {
    this.byId.delete(entry.id);
    if (this.byTicket.get(entry.ticket) === entry) this.byTicket.delete(entry.ticket);
  }

  private learn(entry: Entry, { a, o }: Answer): void {
    entry.isKnown = true;
    entry.told = { ...entry.told, ...(a !== undefined && { a }), ...(o !== undefined && { o }) };
  }

  private async giveBack(entry: Entry): Promise<void> {
    this.forget(entry);
    await this.attempt('lineLeave', JSON.stringify([entry.id]));
  }

  private begin({ started, wake }: Answer): void {
    if (wake !== undefined) this.waking ??= setTimeout(() => this.wake(), wake).unref();
    for (const [id, key] of list(started)) {
      const entry = this.byId.get(id);
      const upstream = this.byKey.get(key);
      if (entry === undefined || upstream === undefined) {
        // It left in the meantime.
        void this.attempt('lineLeave', JSON.stringify([id]));
      } else if (entry.upstream === undefined) {
        entry.upstream = upstream;
        entry.isKnown = true;
        entry.ticket.start(upstream);
      }
    }
  }

  /** The patience of a ticket is over, of this node or another one: what it passed may be taken. */
  private wake(): void {
    this.waking = undefined;
    void this.attempt('lineMove', '[]');
  }

  /** What fails here is mended at the next beat. */
  private async attempt(script: ScriptName, ...args: (string | number)[]): Promise<void> {
    try {
      this.begin(await this.run(script, ...args));
    } catch (error) {
      if (!(error instanceof CastError)) this.logger.error(error);
    }
  }

  private async run(script: ScriptName, ...args: (string | number)[]): Promise<Answer> {
    const text = await this.redis.run(
      script,
      [`${this.redis.prefix}{line}`],
      [this.settings, ...args],
    );
    return JSON.parse(String(text)) as Answer;
  }
}

/** Lua has no empty list: it writes `{}`. */
function list<T>(value: T[] | undefined): T[] {
  return Array.isArray(value) ? value : [];
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one, at) => one === b[at]);
}
