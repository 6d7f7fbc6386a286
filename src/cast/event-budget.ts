import type { Cadence } from './cadence.js';

/** So many events may come at once, at the beginning and after a pause. */
export const BURST = 30;

/** How many events of one answer may come: some at once, then one for each interval of the cadence. */
export class EventBudget {
  private left = BURST;
  /** When it was last asked, on the clock of `performance`. */
  at = performance.now();

  constructor(private readonly cadence: Cadence) {}

  /** Takes so many, if there are. @returns whether there were */
  take(count: number): boolean {
    this.refill();
    if (this.left < count) return false;
    this.left -= count;
    return true;
  }

  /** Takes one in any case. */
  spend(): void {
    this.refill();
    this.left = Math.max(-1, this.left - 1);
  }

  /** How long the next one has to wait after what was taken last, in milliseconds; 0 = it may come. */
  get restMs(): number {
    return this.left >= 0 ? 0 : -this.left * this.cadence.intervalMs;
  }

  private refill(): void {
    const now = performance.now();
    this.left = Math.min(BURST, this.left + (now - this.at) / this.cadence.intervalMs);
    this.at = now;
  }
}
