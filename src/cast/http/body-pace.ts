import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { EventBudget } from '../event-budget.js';

/**
 * Spaces the reads of one body. Between two of them its connection is not read: what comes meanwhile
 * stays with the kernel and the upstream, and the next read brings all of it.
 */
export class BodyPace {
  /** The answer lets go of it at its end. */
  private readonly socket: Socket;
  private timer: NodeJS.Timeout | undefined;
  private pausing: NodeJS.Immediate | undefined;

  constructor(
    private readonly answer: IncomingMessage,
    private readonly budget: EventBudget,
  ) {
    this.socket = answer.socket;
  }

  /** To be called after a read, while more is to come. */
  rest(): void {
    if (this.timer !== undefined || this.answer.complete) return;
    const { restMs } = this.budget;
    if (restMs === 0) return;
    // The stream asks its connection for more after each piece, which would undo a pause at once.
    this.pausing = setImmediate(() => this.socket.pause());
    this.timer = setTimeout(() => this.goOn(), restMs);
  }

  /** The body is over: its connection may be another request's now. */
  end(): void {
    if (this.timer !== undefined) this.goOn();
  }

  private goOn(): void {
    clearTimeout(this.timer);
    clearImmediate(this.pausing);
    this.timer = undefined;
    this.socket.resume();
  }
}
