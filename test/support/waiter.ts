import type { Upstream } from '../../src/cast/upstream.js';
import type { LineAccount, Ticket } from '../../src/generations/line/slot-keeper.js';

let made = 0;

/** A request that remembers what the line did with it. */
export class Waiter implements Ticket {
  readonly id: string;
  startedAt: Upstream | undefined;
  starts = 0;
  position: number | undefined;
  /** How often it was asked for its candidates. */
  asked = 0;
  preferred: Upstream | undefined;
  accounts: LineAccount[] = [];
  savings: ReadonlyMap<Upstream, number> | undefined;
  turnMs: number | undefined;

  /** @param onStart told before the keeper's method returns, or later */
  constructor(
    readonly user: string,
    public able: readonly Upstream[],
    private readonly onStart: (waiter: Waiter) => void = () => undefined,
  ) {
    this.id = `${user} ${++made}`;
  }

  candidates(): readonly Upstream[] {
    this.asked++;
    return this.able;
  }
  prefers(upstream: Upstream): boolean {
    return upstream === this.preferred;
  }
  start(upstream: Upstream): void {
    this.startedAt = upstream;
    this.starts++;
    this.onStart(this);
  }
  moved(position: number): void {
    this.position = position;
  }
}

/** An upstream as far as the line knows it. */
export const upstreamOf = (name: string, slots: number): Upstream =>
  ({ name, slots, key: name }) as Upstream;
