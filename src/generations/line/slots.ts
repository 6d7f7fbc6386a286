import type { Upstream } from '../../cast/upstream.js';
import { NOTICEABLE_MS } from './patience.js';
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

  /** Whether those whom this ticket counts for may have one more slot. */
  mayRun({ user, accounts = [] }: Pick<Ticket, 'user' | 'accounts'>): boolean {
    const isFree = (name: string, most = 0): boolean =>
      most === 0 || (this.runningOf.get(name) ?? 0) < most;
    return (
      isFree(user, this.maxPerUser) &&
      accounts.every(({ name, running }) => isFree(accountKey(name), running))
    );
  }

  /**
   * Of these upstreams the best one with a free slot: a preferred one, of these one that saves most,
   * then the least busy.
   */
  best(
    upstreams: readonly Upstream[],
    ticket: Pick<Ticket, 'prefers' | 'savings'>,
  ): Upstream | undefined {
    const free = upstreams.filter((upstream) => this.isFree(upstream));
    if (free.length < 2) return free[0];
    const preferred = free.filter((upstream) => ticket.prefers(upstream));
    const able = preferred.length > 0 ? preferred : free;
    const saved = (upstream: Upstream): number => ticket.savings?.get(upstream) ?? 0;
    const enough = Math.max(...able.map(saved)) - NOTICEABLE_MS;
    const load = (upstream: Upstream): number => this.running(upstream) / upstream.slots;
    return able
      .filter((upstream) => saved(upstream) > enough)
      .reduce((best, upstream) => (load(upstream) < load(best) ? upstream : best));
  }

  take(ticket: Ticket, upstream: Upstream): void {
    this.held.set(ticket, upstream);
    add(this.runningOn, upstream, 1);
    for (const name of namesOf(ticket)) add(this.runningOf, name, 1);
  }

  /** @returns whether the ticket had a slot */
  giveBack(ticket: Ticket): boolean {
    const upstream = this.held.get(ticket);
    if (upstream === undefined) return false;
    this.held.delete(ticket);
    add(this.runningOn, upstream, -1);
    for (const name of namesOf(ticket)) add(this.runningOf, name, -1);
    return true;
  }
}

/** Under which names a ticket is counted: its user's turn, and its accounts. */
export function namesOf({ user, accounts = [] }: Pick<Ticket, 'user' | 'accounts'>): string[] {
  return [user, ...accounts.map(({ name }) => accountKey(name))];
}

/** The name of an account is never that of a user's turn. */
export function accountKey(name: string): string {
  return `account ${name}`;
}

function add<K>(counts: Map<K, number>, key: K, change: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
