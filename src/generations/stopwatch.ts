import type { Statistics, Timings } from '../protocol/usage.js';

/** When a generation was accepted (now), given to an upstream, first answered and ended. */
export class Stopwatch {
  private readonly acceptedAt = performance.now();
  private startedAt: number | undefined;
  private firstTokenAt: number | undefined;
  private endedAt: number | undefined;

  get hasStarted(): boolean {
    return this.startedAt !== undefined;
  }

  start(): void {
    this.startedAt = performance.now();
  }

  token(): void {
    this.firstTokenAt = performance.now();
  }

  end(): void {
    this.endedAt = performance.now();
  }

  /** @param statistics what the upstream has measured itself */
  timings({ load_duration, eval_count, eval_duration }: Statistics): Timings {
    const since = (at: number | undefined): number | null =>
      at === undefined ? null : rounded(at - this.acceptedAt);
    return {
      queuedMs: rounded((this.startedAt ?? this.endedAt ?? performance.now()) - this.acceptedAt),
      loadMs: load_duration === undefined ? null : rounded(load_duration / 1e6),
      firstTokenMs: since(this.firstTokenAt),
      totalMs: since(this.endedAt),
      tokensPerSecond:
        eval_count === undefined || !eval_duration
          ? null
          : rounded(eval_count / (eval_duration / 1e9)),
    };
  }
}

/** Microseconds are enough. */
export function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
