import { Logger } from '@nestjs/common';
import { CastError } from '../protocol/errors.js';
import type { Kept } from './kept.js';

/**
 * What is new waits for the next tick, so that one call takes what is new of all generations: a tick comes
 * every so many milliseconds, the second for what other nodes read along.
 */
const WINDOW_MS = 100;
export const FOLLOWED_WINDOW_MS = 50;
/** A timer may be early by so much, in milliseconds. */
const EARLY_MS = 2;
/** Pause after a failed call, doubled each time up to the longest. */
const RETRY_MS = 250;
const LONGEST_RETRY_MS = 2_000;
/** Most generations in one call. */
const MAX_IN_CALL = 200;

/** When what is new of the generations of this node is copied to Redis. One call goes at a time. */
export class Ticks {
  private readonly logger = new Logger('Keeper');
  private timer: NodeJS.Timeout | undefined;
  private timerAt = Infinity;
  private isFlushing = false;
  private failures = 0;

  /** @param flush copies what is due; it rejects where Redis is away, and is called again after a pause */
  constructor(
    private readonly all: ReadonlyMap<string, Kept>,
    private readonly flush: (due: readonly Kept[]) => Promise<void>,
  ) {}

  /** Its first entry and its end do not wait. */
  now(kept: Kept): void {
    kept.dueAt = performance.now();
    this.schedule(kept.dueAt);
  }

  /** It is due at the next tick, unless it has its tick already. */
  next(kept: Kept): void {
    if (kept.dueAt !== Infinity) return;
    const window = kept.followers.isEmpty ? WINDOW_MS : FOLLOWED_WINDOW_MS;
    // A tick that comes early takes what is there: what follows it waits for the next one.
    kept.dueAt = (Math.floor((performance.now() + EARLY_MS) / window) + 1) * window;
    this.schedule(kept.dueAt);
  }

  close(): void {
    clearTimeout(this.timer);
  }

  private schedule(dueAt: number): void {
    if (this.isFlushing || this.failures > 0 || dueAt >= this.timerAt) return;
    this.setTimer(dueAt);
  }

  private setTimer(dueAt: number): void {
    clearTimeout(this.timer);
    this.timerAt = dueAt;
    this.timer = setTimeout(() => void this.tick(), Math.max(0, dueAt - performance.now()));
  }

  /** Takes what is due, and what is as good as due. */
  private async tick(): Promise<void> {
    this.timerAt = Infinity;
    this.isFlushing = true;
    const soon = performance.now() + EARLY_MS;
    const due = [...this.all.values()].filter(({ dueAt }) => dueAt <= soon).slice(0, MAX_IN_CALL);
    try {
      await this.flush(due);
      this.failures = 0;
    } catch (error) {
      if (!(error instanceof CastError)) this.logger.error(error);
      this.failures++;
    }
    this.isFlushing = false;
    let next = Infinity;
    for (const { dueAt } of this.all.values()) next = Math.min(next, dueAt);
    if (next === Infinity) return void (this.failures = 0);
    const pause = Math.min(RETRY_MS * 2 ** (this.failures - 1), LONGEST_RETRY_MS);
    this.setTimer(this.failures > 0 ? performance.now() + pause : next);
  }
}
