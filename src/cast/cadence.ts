import type { Work } from './workload.js';

/** How often the load is looked at, in milliseconds. */
export const LOOK_MS = 250;
/** The usual interval: more events a second than a screen draws are only cost. */
const USUAL_MS = 1_000 / 60;
/** The intervals, from a core that keeps up to one that does not, in milliseconds. */
const INTERVALS_MS = [USUAL_MS, 100, 200];
/** Share of the time over which the core is full, and an interval is too short. */
const FULL = 0.9;
/**
 * The share of CPU below which the one before would do: with 100 ms between its reads an answer takes
 * less than half of the CPU that it takes unspaced, with 200 ms a sixth less than that.
 */
const EASY = [0, 0.35, 0.7];
/** Looks in a row that show the one or the other, before something changes: 1 s and 3 s. */
const LOOKS_FULL = 4;
const LOOKS_EASY = 12;
/**
 * Fewest answers under way with which the interval grows. Fewer cannot fill a core: at 60 events a
 * second each they take a tenth of it.
 */
export const FEWEST_ANSWERS = 50;

/**
 * The shortest interval at which an answer is read, and its readers are told of it, once it has used
 * up its {@link EventBudget}. It grows when the core does not keep up, so that a full core slows down
 * gently for everybody, and it has hysteresis, so that it does not flap.
 */
export class Cadence {
  /** How many answers are under way. */
  answers = 0;
  private level = 0;
  private looksFull = 0;
  private looksEasy = 0;

  /** In milliseconds. */
  get intervalMs(): number {
    return INTERVALS_MS[this.level] ?? USUAL_MS;
  }

  /** What is added to the usual interval because the core is full, in milliseconds. */
  get delayMs(): number {
    return this.level === 0 ? 0 : this.intervalMs;
  }

  look({ loop, cpu }: Work): void {
    const isFew = this.answers < FEWEST_ANSWERS;
    // Once reads are spaced, only the CPU tells: see Work.
    const isFull = !isFew && loop > FULL && (this.level === 0 || cpu > FULL);
    const isEasy = isFew || (loop <= FULL && cpu < (EASY[this.level] ?? 0));
    this.looksFull = isFull ? this.looksFull + 1 : 0;
    this.looksEasy = isEasy ? this.looksEasy + 1 : 0;
    if (this.looksFull >= LOOKS_FULL) this.change(1);
    if (this.looksEasy >= LOOKS_EASY) this.change(-1);
  }

  private change(by: 1 | -1): void {
    this.level = Math.min(Math.max(this.level + by, 0), INTERVALS_MS.length - 1);
    this.looksFull = this.looksEasy = 0;
  }
}
