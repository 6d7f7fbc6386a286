import { USUAL_MS } from '../cadence.js';

/** Most that go on before the event loop does something else. */
export const MOST_AT_ONCE = 32;
/** A timer may fire so much too early, as a share of a beat. */
const EARLY = 0.1;

/**
 * Lets what rests go on together, sixty times a second. Reads of one moment find their code and the
 * kernel's in the processor's caches, and the readers beyond are woken once: 9 % and more of the CPU of
 * a token of a fast model (`docs/performance.md`).
 */
export class Beat {
  /** By the number of the beat, counted from the start of the process. */
  private readonly resting = new Map<number, Set<() => void>>();
  /** Set while anything rests. */
  private timer: NodeJS.Timeout | undefined;
  /** Since the last {@link lateness}: how many went on, and how late all of them were together. */
  private wentOn = 0;
  private lateMs = 0;

  /**
   * @param ms rounded to whole beats, one at least
   * @param goOn called at that beat
   * @returns takes it back
   */
  after(ms: number, goOn: () => void): () => void {
    const now = performance.now() / USUAL_MS;
    const beat = Math.max(Math.floor(now) + 1, Math.round(now + ms / USUAL_MS));
    const together = this.resting.get(beat) ?? new Set();
    this.resting.set(beat, together.add(goOn));
    if (this.timer === undefined) this.wait();
    return () => void together.delete(goOn);
  }

  /** How late what rested went on since the last call, in the mean, in milliseconds: the event loop is behind. */
  lateness(): number {
    const mean = this.wentOn === 0 ? 0 : this.lateMs / this.wentOn;
    this.wentOn = this.lateMs = 0;
    return mean;
  }

  private wait(): void {
    const now = performance.now() / USUAL_MS;
    this.timer = setTimeout(this.strike, (Math.floor(now + EARLY) + 1 - now) * USUAL_MS);
  }

  private readonly strike = (): void => {
    const nowMs = performance.now();
    const now = Math.floor(nowMs / USUAL_MS + EARLY);
    let count = 0;
    for (const [beat, together] of this.resting) {
      if (beat > now) continue;
      for (const goOn of together) {
        if (count++ === MOST_AT_ONCE) {
          setImmediate(this.strike);
          return;
        }
        together.delete(goOn);
        this.wentOn++;
        this.lateMs += Math.max(0, nowMs - beat * USUAL_MS);
        goOn();
      }
      this.resting.delete(beat);
    }
    this.timer = undefined;
    if (this.resting.size > 0) this.wait();
  };
}
