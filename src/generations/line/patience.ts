import type { Upstream } from '../../cast/upstream.js';
import type { Ticket } from './slot-keeper.js';
import type { Slots } from './slots.js';
import type { WaitingLine } from './waiting-line.js';

/** A smaller difference between two upstreams is none, in milliseconds. */
export const NOTICEABLE_MS = 20;

/**
 * Whether a ticket passes a free slot, because a busy upstream that knows its conversation will
 * probably be free so soon that it answers sooner all the same. It does so for as long as that
 * upstream saves, and then takes whatever is free. Meanwhile it keeps its places and blocks nobody.
 */
export class Patience {
  /**
   * Whether it is over. Its timer says so, and no other clock: a timer may be a part of a millisecond
   * early, and who then finds it not over would wait on.
   */
  private readonly isOver = new WeakMap<Ticket, boolean>();

  /** @param onEnd called when the patience of a ticket is over */
  constructor(
    private readonly line: WaitingLine,
    private readonly slots: Slots,
    private readonly onEnd: () => void,
  ) {}

  /** This ticket takes the first slot that it can have. */
  end(ticket: Ticket): void {
    if (ticket.savings !== undefined) this.isOver.set(ticket, true);
  }

  /** Whether the ticket passes a free slot of this upstream for now. */
  passes(ticket: Ticket, upstream: Upstream): boolean {
    const { savings } = ticket;
    if (savings === undefined) return false;
    const isOver = this.isOver.get(ticket);
    if (isOver === true) return false;
    const savedHere = savings.get(upstream) ?? 0;
    for (const [other, saved] of savings) {
      const gain = saved - savedHere;
      if (gain < NOTICEABLE_MS || this.waitFor(other, ticket) > gain) continue;
      if (ticket.prefers(upstream) && !ticket.prefers(other)) continue;
      if (isOver === undefined) {
        this.isOver.set(ticket, false);
        const stop = (): void => {
          this.end(ticket);
          this.onEnd();
        };
        setTimeout(stop, gain).unref();
      }
      return true;
    }
    return false;
  }

  /** How long this upstream will probably have no slot for the ticket, in milliseconds. */
  private waitFor(upstream: Upstream, ticket: Ticket): number {
    const position = this.line.positionBefore(upstream, ticket);
    if (position === undefined) return Infinity;
    const turns = position - (upstream.slots - this.slots.running(upstream));
    return turns <= 0 ? 0 : ((ticket.turnMs ?? 0) * turns) / upstream.slots;
  }
}
