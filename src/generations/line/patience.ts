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
  /** When it is over, on the clock of `performance.now()`. */
  private readonly endOf = new WeakMap<Ticket, number>();

  /** @param onEnd called when the patience of a ticket is over */
  constructor(
    private readonly line: WaitingLine,
    private readonly slots: Slots,
    private readonly onEnd: () => void,
  ) {}

  /** This ticket takes the first slot that it can have. */
  end(ticket: Ticket): void {
    if (ticket.savings !== undefined) this.endOf.set(ticket, Number.NEGATIVE_INFINITY);
  }

  /** Whether the ticket passes a free slot of this upstream for now. */
  passes(ticket: Ticket, upstream: Upstream): boolean {
    const { savings } = ticket;
    if (savings === undefined) return false;
    const now = performance.now();
    const endOf = this.endOf.get(ticket);
    if (endOf !== undefined && endOf <= now) return false;
    const savedHere = savings.get(upstream) ?? 0;
    for (const [other, saved] of savings) {
      const gain = saved - savedHere;
      if (gain < NOTICEABLE_MS || this.waitFor(other, ticket) > gain) continue;
      if (ticket.prefers(upstream) && !ticket.prefers(other)) continue;
      if (endOf === undefined) {
        this.endOf.set(ticket, now + gain);
        setTimeout(this.onEnd, Math.ceil(gain)).unref();
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
