import type { Work } from './workload.js';

/** How often the load is looked at, in milliseconds. */
export const LOOK_MS = 250;
/** The usual interval: more events a second than a screen draws are only cost. */
export const USUAL_MS = 1_000 / 60;
/** The intervals, from a core that keeps up to one that does not, in milliseconds. */
const INTERVALS_MS = [USUAL_MS, 100, 200];
/** Share of the time over which the core is full, and an interval is too short. */
const FULL = 0.9;
/**
 * The share of CPU below which the one before would do: with 100 ms between its reads an answer takes
 * less than half of the CPU that it takes unspaced, with 200 ms a sixth less than that.
 */
const EASY = [0, 0.35, 0.7];
/** Share of the interval by which spaced reads may be late in the mean: over it, the interval does not hold. */
const LATE = 0.25;
/** Looks in a row that show the one or the other, before something changes: 1 s and 3 s. */
const LOOKS_FULL = 4;
const LOOKS_EASY = 12;
/** Most of the latter: 48 s. They double each time that the shorter interval did not hold for as long. */
const MOST_LOOKS_EASY = 16 * LOOKS_EASY;
/**
 * Fewest answers under way with which the interval grows. Fewer cannot fill a core: at 60 events a
 * second each they take a tenth of it.
 */
export const FEWEST_ANSWERS = 50;

/**
 * The shortest interval at which an answer is read, and its readers are told of it, once it has used
 * up its {@link EventBudget}. It grows when the core does not keep up, so that a full core slows down
 * gently for everybody, and it has hysteresis, so that it does not flap. A process that may use only
 * part of a core fills it while its share of the CPU is small: what did not hold is tried less and less.
 */
export class Cadence {
  /** How many answers are under way. */
  answers = 0;
  private level = 0;
  private looksFull = 0;
  private looksEasy = 0;
  /** How many looks are to be easy before the interval shrinks. */
  private patience = LOOKS_EASY;
  /** The share of CPU that this process had when it was full last: others may use the core, too. */
  private room = 1;
  /** Looks since it shrank, until that has held; undefined before and after. */
  private looksShorter: number | undefined;

  /** In milliseconds. */
  get intervalMs(): number {
    return INTERVALS_MS[this.level] ?? USUAL_MS;
  }

  /** What is added to the usual interval because the core is full, in milliseconds. */
  get delayMs(): number {
    return this.level === 0 ? 0 : this.intervalMs;
  }

  /** @param lateMs how late spaced reads were since the last look, in the mean */
  look({ loop, cpu }: Work, lateMs: number): void {
    const isFew = this.answers < FEWEST_ANSWERS;
    const isLate = lateMs > LATE * this.intervalMs;
    // Once reads are spaced the loop says too much (see Work), and the CPU too little where others use it.
    const isFull = !isFew && loop > FULL && (this.level === 0 || cpu > FULL || isLate);
    const easy = EASY[this.level] ?? 0;
    const isEasy = isFew || (loop <= FULL && !isLate && cpu < easy);
    if (isFull) this.room = Math.min(1, cpu);
    // Others may still be there. Sometimes it is tried all the same.
    const isSure = isFew || loop < easy || cpu < easy * this.room;
    this.looksFull = isFull ? this.looksFull + 1 : 0;
    this.looksEasy = isEasy ? this.looksEasy + 1 : 0;
    const hasHeld = this.looksShorter !== undefined && ++this.looksShorter > this.patience;
    if (isFew || hasHeld) this.trust();
    if (this.looksFull >= LOOKS_FULL) this.grow();
    if (this.looksEasy >= (isSure ? this.patience : MOST_LOOKS_EASY)) this.shrink();
  }

  private grow(): void {
    if (this.looksShorter !== undefined) {
      this.patience = Math.min(2 * this.patience, MOST_LOOKS_EASY);
      this.looksShorter = undefined;
    }
    this.change(1);
  }

  private shrink(): void {
    if (this.level > 0) this.looksShorter = 0;
    this.change(-1);
  }

  private trust(): void {
    this.patience = LOOKS_EASY;
    this.looksShorter = undefined;
  }

  private change(by: 1 | -1): void {
    this.level = Math.min(Math.max(this.level + by, 0), INTERVALS_MS.length - 1);
    this.looksFull = this.looksEasy = 0;
  }
}
