/** Failures in a row before the circuit opens. */
const THRESHOLD = 3;
/** First pause, and the longest: each failed trial doubles it. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/**
 * Remembers that an upstream fails, so that it is left alone for a while (circuit breaker). After the
 * pause one request may try; the others wait for how it ends.
 */
export class Circuit {
  private failures = 0;
  private pauseMs = FIRST_PAUSE_MS;
  /** It has opened, and no trial has succeeded since. */
  private isFailing = false;
  /** Ended by the timer, and by no other clock: who is told that the pause is over must find it so. */
  private isPaused = false;
  private timer: NodeJS.Timeout | undefined;

  /** @param onPauseOver called when a trial may be made */
  constructor(private readonly onPauseOver: () => void = () => undefined) {}

  /** Whether requests had better go elsewhere now. */
  get isOpen(): boolean {
    return this.isPaused;
  }

  /** A request goes out. If it is the trial, it is the only one for the next pause. */
  begin(): void {
    if (this.isFailing) this.pause();
  }

  succeed(): void {
    this.failures = 0;
    this.pauseMs = FIRST_PAUSE_MS;
    this.isFailing = false;
    this.isPaused = false;
    clearTimeout(this.timer);
  }

  /** @param certain the upstream is not there: no need to see it fail again */
  fail(certain: boolean): void {
    if (this.isFailing) this.pauseMs = Math.min(2 * this.pauseMs, LONGEST_PAUSE_MS);
    this.failures++;
    if (certain || this.failures >= THRESHOLD || this.isFailing) this.pause();
  }

  private pause(): void {
    this.isFailing = true;
    this.isPaused = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.isPaused = false;
      this.onPauseOver();
    }, this.pauseMs).unref();
  }
}
