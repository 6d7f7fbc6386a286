/**
 * Tells what is under way that it is to stop: an AbortSignal as simple as it can be, which axios takes
 * for its CancelToken too. In Node.js each AbortSignal has a hidden class of its own: it takes more of a
 * start, and most of a KB for as long as an answer is read.
 */
export class StopSignal {
  isStopped = false;
  /** Why; undefined before. */
  reason: unknown;
  private onStop: (() => void) | undefined;

  /** @param onStop called when it is stopped, at once where it is already, until {@link forget} */
  watch(onStop: () => void): void {
    this.onStop = onStop;
    if (this.isStopped) onStop();
  }

  /** What was under way is over. */
  forget(): void {
    this.onStop = undefined;
  }

  /** The first reason counts. */
  stop(reason: unknown = new Error('stopped')): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.reason = reason;
    this.onStop?.();
  }

  /** Asked by axios before it sends. @throws the reason */
  throwIfRequested(): void {
    if (this.isStopped) throw this.reason;
  }
}
