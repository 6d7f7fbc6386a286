import type { Socket } from 'node:net';

/** How often within its time a blocked connection is looked at. */
const LOOKS = 4;

/**
 * Watches one connection while it is blocked: calls `onStall` when nothing of what waits for it has
 * moved for `ms`. A slow client that still takes bytes is left alone.
 */
export class StallWatch {
  private timer: NodeJS.Timeout | undefined;

  /**
   * @param ms longest time without a byte taken
   * @param measure anything that changes whenever bytes are taken
   */
  constructor(
    private readonly ms: number,
    private readonly measure: () => string,
    private readonly onStall: () => void,
  ) {}

  /** Nothing if it is watching already. */
  start(): void {
    if (this.timer !== undefined) return;
    let last = this.measure();
    let still = 0;
    this.timer = setInterval(() => {
      const now = this.measure();
      still = now === last ? still + 1 : 0;
      last = now;
      if (still < LOOKS) return;
      this.stop();
      this.onStall();
    }, this.ms / LOOKS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }
}

/**
 * Anything that changes whenever the kernel takes bytes of what is written to a socket; nothing where
 * there is none. Node counts a write as pending until all of it is gone; only the handle knows of a
 * part, and no public property does.
 */
export function takenOf(socket: Socket | null | undefined): string {
  if (!socket) return '';
  const { _handle: handle } = socket as { _handle?: { writeQueueSize?: number } | null };
  return `${socket.bytesWritten - socket.writableLength} ${handle?.writeQueueSize ?? 0}`;
}

/**
 * What to call back after a write to a connection, so that `onTaken` is called only if the connection has
 * taken it. Node calls back also for what is lost with a connection: with an error or, for the write
 * that is under way, without.
 */
export function ifTaken(
  connection: Socket | null,
  onTaken: (() => void) | undefined,
): ((error?: Error | null) => void) | undefined {
  return onTaken && ((error) => !error && connection?.destroyed === false && onTaken());
}
