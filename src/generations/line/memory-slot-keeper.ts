import type { Upstream } from '../../cast/upstream.js';
import type { QueueView } from '../../protocol/answers.js';
import { CastError } from '../../protocol/errors.js';
import { Patience } from './patience.js';
import type { LineAccount, LineLimits, SlotKeeper, Ticket } from './slot-keeper.js';
import { accountKey, Slots } from './slots.js';
import { WaitingLine } from './waiting-line.js';

/** Least time between two announcements of the positions, in milliseconds. */
const TELL_MS = 250;

/** Keeps the slots and the line of one node in its memory. */
export class MemorySlotKeeper implements SlotKeeper {
  private readonly slots: Slots;
  private readonly line: WaitingLine;
  private readonly patience: Patience;
  private telling: NodeJS.Timeout | undefined;
  private toldAt = Number.NEGATIVE_INFINITY;

  /** @param upstreams in the order in which their free slots are given */
  constructor(
    private readonly upstreams: readonly Upstream[],
    private readonly limits: LineLimits,
  ) {
    this.slots = new Slots(limits.maxConcurrentPerUser);
    this.line = new WaitingLine(upstreams);
    this.patience = new Patience(this.line, this.slots, () => this.serve());
  }

  /** Why such a ticket may not wait; undefined if it may. */
  private refusal(
    ticket: Pick<Ticket, 'user' | 'accounts'>,
  ): 'queue_full' | 'rate_limited' | undefined {
    const { line, limits } = this;
    const { maxQueue, maxQueuePerUser: most } = limits;
    if (most > 0 && line.lengthOf(ticket.user) >= most) return 'rate_limited';
    const isFull = ({ name, waiting = 0 }: LineAccount): boolean =>
      waiting > 0 && line.lengthOf(accountKey(name)) >= waiting;
    if (ticket.accounts?.some(isFull) === true) return 'rate_limited';
    return line.length >= maxQueue ? 'queue_full' : undefined;
  }

  enter(ticket: Ticket): number {
    const candidates = ticket.candidates();
    const refusal = this.refusal(ticket);
    if (refusal !== undefined) {
      const { slots } = this;
      const canStart = slots.mayRun(ticket) && candidates.some((one) => slots.isFree(one));
      if (!canStart) throw new CastError(refusal);
      this.patience.end(ticket);
    }
    this.line.add(ticket, candidates, false);
    this.serve(ticket);
    return this.line.position(ticket);
  }

  reenter(ticket: Ticket): void {
    this.patience.end(ticket);
    this.line.add(ticket, ticket.candidates(), true);
    this.serve(ticket);
  }

  leave(ticket: Ticket): void {
    if (this.line.remove(ticket)) this.tellPositions();
  }

  release(ticket: Ticket): void {
    if (this.slots.giveBack(ticket)) this.serve();
  }

  dispatch(): void {
    for (const ticket of this.line.tickets()) this.line.move(ticket, ticket.candidates());
    this.serve();
  }

  view(): QueueView {
    return {
      waiting: this.line.length,
      maxWaiting: this.limits.maxQueue,
      upstreams: this.upstreams.map((upstream) => ({
        name: upstream.name,
        running: this.slots.running(upstream),
        slots: upstream.slots,
        waiting: this.line.lengthFor(upstream),
      })),
    };
  }

  /**
   * Gives every free slot to whoever is next.
   * @param asked a ticket that has just told its candidates; any other is asked again before it starts
   */
  private serve(asked?: Ticket): void {
    for (let next = this.next(); next !== undefined; next = this.next()) {
      if (next !== asked) this.line.move(next, next.candidates());
      // It may have several that are free, but takes no slot for which another ticket is next.
      const own = this.upstreams.filter((upstream) => this.nextOf(upstream) === next);
      const best = this.slots.best(own, next);
      // Without one its upstream has gone in the meantime: it waits for others now.
      if (best !== undefined) this.start(next, best);
    }
    this.tellPositions();
  }

  /** Somebody who can start now. */
  private next(): Ticket | undefined {
    for (const upstream of this.upstreams) {
      const ticket = this.slots.isFree(upstream) ? this.nextOf(upstream) : undefined;
      if (ticket !== undefined) return ticket;
    }
    return undefined;
  }

  private nextOf(upstream: Upstream): Ticket | undefined {
    return this.line.first(
      upstream,
      (ticket) => this.slots.mayRun(ticket) && !this.patience.passes(ticket, upstream),
    );
  }

  private start(ticket: Ticket, upstream: Upstream): void {
    this.line.serve(ticket);
    this.slots.take(ticket, upstream);
    ticket.start(upstream);
  }

  /**
   * Soon, and then at most every `TELL_MS`: under load everybody moves many times a second, and to say
   * so each time took a fifth of the CPU.
   */
  private tellPositions(): void {
    if (this.line.length === 0) return;
    const pause = Math.max(0, this.toldAt + TELL_MS - performance.now());
    this.telling ??= setTimeout(() => {
      this.telling = undefined;
      this.toldAt = performance.now();
      for (const ticket of this.line.tickets()) ticket.moved(this.line.position(ticket));
    }, pause).unref();
  }
}
