import type { Upstream } from '../../cast/upstream.js';

/** Least time between two announcements of the positions. */
const TELL_MS = 250;

/** A request that wants a slot. */
export interface Ticket {
  /** Whose turn it counts as. */
  readonly user: string;
  /** Upstreams that can serve it now; they need not be free. */
  candidates(): readonly Upstream[];
  /** Whether this one would answer sooner than another with a free slot. */
  prefers(upstream: Upstream): boolean;
  /** It has a slot of this upstream, until `release` is called. */
  start(upstream: Upstream): void;
  /** Its place in the line changed; 1 is next. */
  moved(position: number): void;
}

/** What a ticket must say before it enters. */
type Newcomer = Pick<Ticket, 'user' | 'candidates' | 'prefers'>;

export interface AdmissionLimits {
  /** Most waiting requests in all. */
  maxQueue: number;
  /** Most requests of one user that run, and that wait; 0 = no limit. */
  maxConcurrentPerUser: number;
  maxQueuePerUser: number;
}

/**
 * The slots of the upstreams and the line before them. Fair by user: users take turns, so a user with
 * one request waits for at most one turn of each other waiting user, however many those have queued.
 * A user's own requests keep their order.
 */
export class Admission {
  /** Who waits, the user whose turn is next first; nobody here has an empty list. */
  private readonly lines = new Map<string, Ticket[]>();
  private readonly runningOf = new Map<Upstream, number>();
  private readonly runningFor = new Map<string, number>();
  private count = 0;
  private telling: NodeJS.Timeout | undefined;
  private toldAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly upstreams: readonly Upstream[],
    private readonly limits: AdmissionLimits,
  ) {}

  get waiting(): number {
    return this.count;
  }

  running(upstream: Upstream): number {
    return this.runningOf.get(upstream) ?? 0;
  }

  /** How many of the waiting could be served by this upstream. */
  waitingFor(upstream: Upstream): number {
    let count = 0;
    for (const ticket of this.order()) if (ticket.candidates().includes(upstream)) count++;
    return count;
  }

  /** Why there is no place for this ticket now; undefined if there is one. */
  refuses(ticket: Newcomer): 'queue_full' | 'rate_limited' | undefined {
    if (this.freeFor(ticket) !== undefined) return undefined;
    const { maxQueue, maxQueuePerUser: most } = this.limits;
    const ofUser = this.lines.get(ticket.user)?.length ?? 0;
    if (most > 0 && ofUser >= most) return 'rate_limited';
    return this.count >= maxQueue ? 'queue_full' : undefined;
  }

  /**
   * Starts the ticket at once where a slot is free, or puts it in line; see {@link refuses}.
   * @returns its position, 1 is next; 0 when it was started
   */
  enter(ticket: Ticket): number {
    const line = this.lines.get(ticket.user) ?? [];
    line.push(ticket);
    this.lines.set(ticket.user, line);
    this.count++;
    // In its turn: somebody who waits may be able to use the slot by now.
    this.dispatch();
    return this.position(ticket);
  }

  /** Puts a ticket that had its turn, and lost its upstream, before everybody else. */
  reenter(ticket: Ticket): void {
    const line = this.lines.get(ticket.user) ?? [];
    const others = [...this.lines].filter(([user]) => user !== ticket.user);
    this.lines.clear();
    this.lines.set(ticket.user, [ticket, ...line]);
    for (const [user, tickets] of others) this.lines.set(user, tickets);
    this.count++;
    this.dispatch();
  }

  /** Takes a ticket out of the line; nothing if it does not wait. */
  leave(ticket: Ticket): void {
    const line = this.lines.get(ticket.user);
    const at = line?.indexOf(ticket) ?? -1;
    if (line === undefined || at === -1) return;
    line.splice(at, 1);
    if (line.length === 0) this.lines.delete(ticket.user);
    this.count--;
    this.tellPositions();
  }

  /** The ticket's upstream request is over. */
  release(ticket: Ticket, upstream: Upstream): void {
    decrease(this.runningOf, upstream);
    decrease(this.runningFor, ticket.user);
    this.dispatch();
  }

  /** Gives every free slot to whoever is next; also after an upstream came back. */
  dispatch(): void {
    while (this.startNext());
    this.tellPositions();
  }

  /** @returns whether there was somebody to start */
  private startNext(): boolean {
    if (!this.upstreams.some((upstream) => this.isFree(upstream))) return false;
    for (const ticket of this.order()) {
      const upstream = this.freeFor(ticket);
      if (upstream === undefined) continue;
      this.leave(ticket);
      const line = this.lines.get(ticket.user);
      if (line !== undefined) {
        // The user had a turn: to the end of the round.
        this.lines.delete(ticket.user);
        this.lines.set(ticket.user, line);
      }
      this.take(ticket, upstream);
      return true;
    }
    return false;
  }

  /** The order in which the waiting are served: the first of each user, then the second of each, … */
  private *order(): Generator<Ticket> {
    const lines = [...this.lines.values()];
    for (let turn = 0; lines.some((line) => turn < line.length); turn++) {
      for (const line of lines) {
        const ticket = line[turn];
        if (ticket !== undefined) yield ticket;
      }
    }
  }

  private position(ticket: Ticket): number {
    let position = 0;
    for (const waiting of this.order()) {
      position++;
      if (waiting === ticket) return position;
    }
    return 0;
  }

  /** The best upstream that could start this ticket now: a preferred one, then the least busy. */
  private freeFor(ticket: Newcomer): Upstream | undefined {
    const { maxConcurrentPerUser: most } = this.limits;
    if (most > 0 && (this.runningFor.get(ticket.user) ?? 0) >= most) return undefined;
    const free = ticket.candidates().filter((upstream) => this.isFree(upstream));
    const preferred = free.filter((upstream) => ticket.prefers(upstream));
    const load = (upstream: Upstream): number => this.running(upstream) / upstream.slots;
    return (preferred.length > 0 ? preferred : free).reduce<Upstream | undefined>(
      (best, upstream) => (best === undefined || load(upstream) < load(best) ? upstream : best),
      undefined,
    );
  }

  private isFree(upstream: Upstream): boolean {
    return this.running(upstream) < upstream.slots;
  }

  private take(ticket: Ticket, upstream: Upstream): void {
    this.runningOf.set(upstream, this.running(upstream) + 1);
    this.runningFor.set(ticket.user, (this.runningFor.get(ticket.user) ?? 0) + 1);
    ticket.start(upstream);
  }

  /**
   * Soon, and then at most every `TELL_MS`: under load everybody moves many times a second, and to say
   * so each time took a fifth of the CPU.
   */
  private tellPositions(): void {
    const pause = Math.max(0, this.toldAt + TELL_MS - performance.now());
    this.telling ??= setTimeout(() => {
      this.telling = undefined;
      this.toldAt = performance.now();
      let position = 0;
      for (const ticket of this.order()) ticket.moved(++position);
    }, pause).unref();
  }
}

function decrease<K>(counts: Map<K, number>, key: K): void {
  const count = (counts.get(key) ?? 0) - 1;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
