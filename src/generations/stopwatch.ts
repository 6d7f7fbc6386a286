import type { Statistics, Timings } from '../protocol/usage.js';

/** Milliseconds from when it was accepted until it was given to an upstream, first answered and ended. */
export type Times = readonly [started: number | null, first: number | null, ended: number | null];

/** When a generation was accepted, given to an upstream, first answered and ended. */
export class Stopwatch {
  private readonly acceptedAt: number;
  private startedAt: number | undefined;
  private firstTokenAt: number | undefined;
  private endedAt: number | undefined;

  /** @param createdAt when it was accepted, in milliseconds since 1970 */
  constructor(createdAt: number) {
    this.acceptedAt = performance.now() - Math.max(0, Date.now() - createdAt);
  }

  /** For a copy on another node. */
  get times(): Times {
    const since = (at: number | undefined): number | null =>
      at === undefined ? null : rounded(at - this.acceptedAt);
    return [since(this.startedAt), since(this.firstTokenAt), since(this.endedAt)];
  }

  /** Shows what another one has measured. */
  set times([started, first, ended]: Times) {
    const at = (ms: number | null): number | undefined =>
      ms === null ? undefined : this.acceptedAt + ms;
    this.startedAt = at(started);
    this.firstTokenAt = at(first);
    this.endedAt = at(ended);
  }

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
    const [, firstTokenMs, totalMs] = this.times;
    return {
      queuedMs: rounded((this.startedAt ?? this.endedAt ?? performance.now()) - this.acceptedAt),
      loadMs: load_duration === undefined ? null : rounded(load_duration / 1e6),
      firstTokenMs,
      totalMs,
      tokensPerSecond:
        // The first token comes of the prompt: one alone has taken no time of its own.
        eval_count === undefined || eval_count < 2 || !eval_duration
          ? null
          : rounded(eval_count / (eval_duration / 1e9)),
    };
  }
}

/** Microseconds are enough. */
export function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
