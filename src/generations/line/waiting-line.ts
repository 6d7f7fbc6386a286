import type { Upstream } from '../../cast/upstream.js';
import { Places } from './places.js';
import type { Ticket } from './slot-keeper.js';
import { namesOf } from './slots.js';

/** A ticket in line. */
interface Waiting {
  /** Number of its arrival. */
  readonly arrival: number;
  /** It had its turn already. */
  readonly isRetry: boolean;
  /** Where it stands: before each of its candidates, or with those that nobody can serve now. */
  at: ReadonlySet<Places>;
}

/** All that wait; a ticket stands before each upstream that could serve it. */
export class WaitingLine {
  private readonly before = new Map<Upstream, Places>();
  private readonly unserved = new Places();
  private readonly waiting = new Map<Ticket, Waiting>();
  private readonly countOf = new Map<string, number>();
  private arrivals = 0;

  constructor(upstreams: readonly Upstream[]) {
    for (const upstream of upstreams) this.before.set(upstream, new Places());
  }

  get length(): number {
    return this.waiting.size;
  }

  /** How many of one user, or of one account (`accountKey`), wait. */
  lengthOf(user: string): number {
    return this.countOf.get(user) ?? 0;
  }

  /** How many could be served by this upstream. */
  lengthFor(upstream: Upstream): number {
    return this.before.get(upstream)?.length ?? 0;
  }

  /** All that wait, in the order of their arrival. */
  tickets(): IterableIterator<Ticket> {
    return this.waiting.keys();
  }

  /** @param isRetry it had its turn already, and goes before those that had none */
  add(ticket: Ticket, candidates: readonly Upstream[], isRetry: boolean): void {
    this.waiting.set(ticket, { arrival: ++this.arrivals, isRetry, at: new Set() });
    for (const name of namesOf(ticket)) this.countOf.set(name, this.lengthOf(name) + 1);
    this.move(ticket, candidates);
  }

  /** Lets it wait for these upstreams; where it stands already it keeps its place. */
  move(ticket: Ticket, candidates: readonly Upstream[]): void {
    const waiting = this.waiting.get(ticket);
    if (waiting === undefined) return;
    const { at: old, arrival, isRetry } = waiting;
    const places = candidates.flatMap((upstream) => this.before.get(upstream) ?? []);
    waiting.at = new Set(places.length > 0 ? places : [this.unserved]);
    for (const place of old) if (!waiting.at.has(place)) place.remove(ticket);
    for (const place of waiting.at) {
      if (old.has(place)) continue;
      if (isRetry) place.addInFront(ticket, arrival);
      else place.add(ticket, arrival);
    }
  }

  /** It got its turn. */
  serve(ticket: Ticket): void {
    for (const place of this.waiting.get(ticket)?.at ?? []) place.serve(ticket);
    this.forget(ticket);
  }

  /** It leaves without a turn. @returns whether it waited */
  remove(ticket: Ticket): boolean {
    const waiting = this.waiting.get(ticket);
    if (waiting === undefined) return false;
    for (const place of waiting.at) place.remove(ticket);
    this.forget(ticket);
    return true;
  }

  /** The first ticket for this upstream that may run. */
  first(upstream: Upstream, mayRun: (ticket: Ticket) => boolean): Ticket | undefined {
    return this.before.get(upstream)?.first(mayRun);
  }

  /** Its best position, 1 is next; 0 if it does not wait. */
  position(ticket: Ticket): number {
    const at = [...(this.waiting.get(ticket)?.at ?? [])];
    return at.length === 0 ? 0 : Math.min(...at.map((place) => place.position(ticket) ?? Infinity));
  }

  /** Its position before one upstream, 1 is next; undefined if it does not wait for that one. */
  positionBefore(upstream: Upstream, ticket: Ticket): number | undefined {
    return this.before.get(upstream)?.position(ticket);
  }

  private forget(ticket: Ticket): void {
    this.waiting.delete(ticket);
    for (const name of namesOf(ticket)) {
      const left = this.lengthOf(name) - 1;
      if (left > 0) this.countOf.set(name, left);
      else this.countOf.delete(name);
    }
    const { user } = ticket;
    if (this.countOf.has(user)) return;
    for (const places of this.before.values()) places.settle(user);
    this.unserved.settle(user);
  }
}
