import type { PieceTimer } from '../../generations/generation.js';
import { bucketOf, SECONDS } from './buckets.js';

/** The longest gap, in microseconds (36 minutes): a whole number that V8 keeps in the object itself. */
const LONGEST_US = 2 ** 31 - 1;
/** Where each bucket of {@link SECONDS} ends, in microseconds. */
const BOUNDS_US = [...SECONDS.map((bound) => Math.round(bound * 1e6)), LONGEST_US];

/** What is noted of a generation until it ends; times on the clock of `performance`. */
export class Watch implements PieceTimer {
  readonly acceptedAt = performance.now();
  upstream = '';
  /** When the last upstream request began, and when its first chunk came. */
  attemptAt: number | undefined;
  firstAt: number | undefined;
  /** From the first chunk to the last one, in microseconds. */
  spanUs = 0;
  /**
   * The latest chunks fell into one of two neighbouring buckets: the lower one, and how many into each. So
   * a chunk touches this object only, also where the gaps are about as long as a bucket's bound: each
   * further place of memory costs a tenth of a microsecond.
   */
  private lower = 0;
  private inLower = 0;
  private inUpper = 0;
  /** Above what the lower one begins, where it ends, and where the upper one ends, in microseconds. */
  private fromUs = -1;
  private betweenUs = -1;
  private toUs = -1;
  /** Chunks that came together with the one before. */
  private together = 0;
  private readonly counts = new Uint32Array(BOUNDS_US.length);

  /** How many chunks came so long after the one before, by the buckets of {@link SECONDS}. */
  get gaps(): Uint32Array {
    this.tell();
    return this.counts;
  }

  pieces(count: number, sinceMs: number): void {
    // No time is between those that come together.
    this.together += count - 1;
    if (this.firstAt === undefined) {
      this.firstAt = performance.now();
      return;
    }
    const us = Math.min(Math.round(sinceMs * 1000), LONGEST_US);
    this.spanUs += us;
    if (us <= this.fromUs || us > this.toUs) this.move(us);
    if (us <= this.betweenUs) this.inLower++;
    else this.inUpper++;
  }

  /** To the bucket of this gap, and the neighbour that is nearer to it. */
  private move(us: number): void {
    this.tell();
    const at = bucketOf(us, BOUNDS_US);
    const from = BOUNDS_US[at - 1] ?? 0;
    const isNearerBelow = us - from < BOUNDS_US[at]! - us;
    this.lower = at === 0 || (!isNearerBelow && at + 1 < BOUNDS_US.length) ? at : at - 1;
    this.fromUs = this.lower === 0 ? -1 : BOUNDS_US[this.lower - 1]!;
    this.betweenUs = BOUNDS_US[this.lower]!;
    this.toUs = BOUNDS_US[this.lower + 1]!;
  }

  private tell(): void {
    this.counts[0]! += this.together;
    this.counts[this.lower]! += this.inLower;
    this.counts[this.lower + 1]! += this.inUpper;
    this.together = this.inLower = this.inUpper = 0;
  }
}
