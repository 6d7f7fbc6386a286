import type { Upstream } from '../../cast/upstream.js';
import type { Ticket } from './slot-keeper.js';

/** Which ticket holds a slot of which upstream. */
export class Slots {
  private readonly held = new Map<Ticket, Upstream>();
  private readonly runningOn = new Map<Upstream, number>();
  private readonly runningOf = new Map<string, number>();

  /** @param maxPerUser most slots of one user at one time; 0 = no limit */
  constructor(private readonly maxPerUser: number) {}

  running(upstream: Upstream): number {
    return this.runningOn.get(upstream) ?? 0;
  }

  isFree(upstream: Upstream): boolean {
    return this.running(upstream) < upstream.slots;
  }

  /** Whether this user may have one more slot. */
  mayRun(user: string): boolean {
    return this.maxPerUser === 0 || (this.runningOf.get(user) ?? 0) < this.maxPerUser;
  }

  /** Of these upstreams the best one with a free slot: a preferred one, then the least busy. */
  best(upstreams: readonly Upstream[], ticket: Pick<Ticket, 'prefers'>): Upstream | undefined {
    const free = upstreams.filter((upstream) => this.isFree(upstream));
    if (free.length < 2) return free[0];
    const preferred = free.filter((upstream) => ticket.prefers(upstream));
    const load = (upstream: Upstream): number => this.running(upstream) / upstream.slots;
    return (preferred.length > 0 ? preferred : free).reduce((best, upstream) =>
      load(upstream) < load(best) ? upstream : best,
    );
  }

  take(ticket: Ticket, upstream: Upstream): void {
    this.held.set(ticket, upstream);
    add(this.runningOn, upstream, 1);
    add(this.runningOf, ticket.user, 1);
  }

  /** @returns whether the ticket had a slot */
  giveBack(ticket: Ticket): boolean {
    const upstream = this.held.get(ticket);
    if (upstream === undefined) return false;
    this.held.delete(ticket);
    add(this.runningOn, upstream, -1);
    add(this.runningOf, ticket.user, -1);
    return true;
  }
}

function add<K>(counts: Map<K, number>, key: K, change: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
