/**
 * Notices that a connection has been silent for too long. `heard` costs one clock reading: a timer
 * that is set anew at each read costs more CPU than one that looks at the clock when it fires.
 */
export class SilenceWatch {
  private heardAt = 0;
  private timer: NodeJS.Timeout | undefined;

  /** @param longestMs silence that is allowed, in milliseconds */
  constructor(
    private readonly longestMs: number,
    private readonly onSilence: () => void,
  ) {}

  /** Begins to watch. */
  start(): void {
    this.heard();
    this.timer = setTimeout(this.look, this.longestMs);
  }

  /** Something came. */
  heard(): void {
    this.heardAt = performance.now();
  }

  /** Ends the watch. */
  stop(): void {
    clearTimeout(this.timer);
  }

  private readonly look = (): void => {
    const left = this.heardAt + this.longestMs - performance.now();
    if (left <= 0) this.onSilence();
    else this.timer = setTimeout(this.look, left);
  };
}
