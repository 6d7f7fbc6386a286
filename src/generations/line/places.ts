import type { Ticket } from './slot-keeper.js';

/** The round of tickets that go before everybody else. */
const FRONT = 0;
/** Users that are remembered before it is looked for those whose turns are over. */
const MIN_USERS = 1024;

/** Where a ticket stands before one upstream: a lower round goes first, in a round the earlier arrival. */
interface Place {
  readonly round: number;
  readonly arrival: number;
  readonly ticket: Ticket;
}

/** The turns of one user at one upstream. */
interface Turns {
  /** Round of the newest place. */
  newest: number;
  /** Round of the newest place that was served. */
  served: number;
}

/**
 * The requests that wait for one upstream, in the order in which it serves them. The order is fixed at
 * arrival: a user's next request stands one round behind the one before, and nobody stands before the
 * round that is being served. See docs/architecture.md, "The waiting line".
 */
export class Places {
  /** In order. A sorted array: to move some thousands of pointers takes a microsecond. */
  private readonly order: Place[] = [];
  private readonly placeOf = new Map<Ticket, Place>();
  private readonly turnsOf = new Map<string, Turns>();
  private sweepAt = MIN_USERS;
  /** Round of the last one who was served. */
  private round = 1;

  get length(): number {
    return this.order.length;
  }

  /** @param arrival number of the ticket's arrival, unique and rising */
  add(ticket: Ticket, arrival: number): void {
    const turns = this.turnsOf.get(ticket.user) ?? { newest: 0, served: 0 };
    turns.newest = Math.max(this.round, turns.newest + 1);
    this.turnsOf.set(ticket.user, turns);
    this.insert({ round: turns.newest, arrival, ticket });
    if (this.turnsOf.size >= this.sweepAt) this.sweep();
  }

  /** Puts a ticket before all others, behind those that were put there before; costs its user no turn. */
  addInFront(ticket: Ticket, arrival: number): void {
    this.insert({ round: FRONT, arrival, ticket });
  }

  remove(ticket: Ticket): void {
    const place = this.placeOf.get(ticket);
    if (place === undefined) return;
    this.placeOf.delete(ticket);
    this.order.splice(this.indexOf(place), 1);
  }

  /** Removes a ticket that got its turn, here or at another upstream. */
  serve(ticket: Ticket): void {
    const place = this.placeOf.get(ticket);
    if (place === undefined) return;
    this.remove(ticket);
    this.round = Math.max(this.round, place.round);
    const turns = this.turnsOf.get(ticket.user);
    if (turns !== undefined) turns.served = Math.max(turns.served, place.round);
  }

  /** Nothing of this user waits any more: what left unserved has cost no turn. */
  settle(user: string): void {
    const turns = this.turnsOf.get(user);
    if (turns !== undefined) turns.newest = turns.served;
  }

  /** The first ticket that may run. */
  first(mayRun: (ticket: Ticket) => boolean): Ticket | undefined {
    return this.order.find(({ ticket }) => mayRun(ticket))?.ticket;
  }

  /** @returns 1 for who is next; undefined for who does not wait here */
  position(ticket: Ticket): number | undefined {
    const place = this.placeOf.get(ticket);
    return place && this.indexOf(place) + 1;
  }

  private insert(place: Place): void {
    this.placeOf.set(place.ticket, place);
    this.order.splice(this.indexOf(place), 0, place);
  }

  /** Where a place is, or belongs. */
  private indexOf(place: Place): number {
    let low = 0;
    let high = this.order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.order[middle] as Place;
      const isBefore =
        other.round < place.round || (other.round === place.round && other.arrival < place.arrival);
      if (isBefore) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Forgets users whose newest turn lies before the round: they stand as those who never came. */
  private sweep(): void {
    for (const [user, { newest }] of this.turnsOf) {
      if (newest < this.round) this.turnsOf.delete(user);
    }
    this.sweepAt = Math.max(MIN_USERS, 2 * this.turnsOf.size);
  }
}
