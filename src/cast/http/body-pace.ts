import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { EventBudget } from '../event-budget.js';
import { Beat } from './beat.js';

/** Of all bodies. */
export const beat = new Beat();

/**
 * Spaces the reads of one body. Between two of them its connection is not read: what comes meanwhile
 * stays with the kernel and the upstream, and the next read brings all of it.
 */
export class BodyPace {
  /** The answer lets go of it at its end. */
  private readonly socket: Socket;
  /** Set while it is not read. */
  private takeBack: (() => void) | undefined;
  private pausing: NodeJS.Immediate | undefined;

  constructor(
    private readonly answer: IncomingMessage,
    private readonly budget: EventBudget,
  ) {
    this.socket = answer.socket;
  }

  /** To be called after a read, while more is to come. */
  rest(): void {
    if (this.takeBack !== undefined || this.answer.complete) return;
    const { restMs } = this.budget;
    if (restMs === 0) return;
    // The stream asks its connection for more after each piece, which would undo a pause at once.
    this.pausing = setImmediate(() => this.socket.pause());
    this.takeBack = beat.after(restMs, this.goOn);
  }

  /** The body is over: its connection may be another request's now. */
  end(): void {
    if (this.takeBack !== undefined) this.goOn();
  }

  private readonly goOn = (): void => {
    this.takeBack?.();
    this.takeBack = undefined;
    clearImmediate(this.pausing);
    this.socket.resume();
  };
}
