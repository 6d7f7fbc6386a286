import type { PieceTimer } from '../../generations/generation.js';
import { bucketOf, SECONDS } from './buckets.js';

/** What is noted of a generation until it ends; times on the clock of `performance`. */
export class Watch implements PieceTimer {
  readonly acceptedAt = performance.now();
  upstream = '';
  /** When the last upstream request began, and when its first chunk came. */
  attemptAt: number | undefined;
  firstAt: number | undefined;
  /** From the first chunk to the last one, in microseconds. */
  spanUs = 0;
  /** The bucket of {@link SECONDS} that the latest chunks fell into, and how many in a row. */
  private bucket = 0;
  private row = 0;
  private readonly counts = new Uint32Array(SECONDS.length + 1);

  /** How many chunks came so long after the one before, by the buckets of {@link SECONDS}. */
  get gaps(): Uint32Array {
    this.endRow(0);
    return this.counts;
  }

  pieces(count: number, sinceMs: number): void {
    if (this.firstAt === undefined) this.firstAt = performance.now();
    else {
      this.spanUs += Math.round(sinceMs * 1000);
      this.fall(bucketOf(sinceMs / 1000, SECONDS), 1);
    }
    // No time is between those that come together.
    if (count > 1) this.fall(0, count - 1);
  }

  /**
   * So many more fall into a bucket. Most chunks of an answer fall into the one of those before: a row of
   * them is counted in one place of memory, as each further place costs a tenth of a microsecond.
   */
  private fall(bucket: number, count: number): void {
    if (bucket !== this.bucket) this.endRow(bucket);
    this.row += count;
  }

  /** @param next the bucket of the next row */
  private endRow(next: number): void {
    this.counts[this.bucket]! += this.row;
    this.bucket = next;
    this.row = 0;
  }
}
