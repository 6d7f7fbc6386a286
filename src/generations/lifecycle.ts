import { Injectable, Logger } from '@nestjs/common';
import type { Caller } from '../access/caller.js';
import type { ModelRequest } from '../cast/model-request.js';
import type { CastError } from '../protocol/errors.js';
import type { Generation } from './generation.js';
import type { EndEntry } from './log/entry.js';

/** One accepted request: what was asked, by whom, and the generation that answers it. */
export interface Life {
  readonly generation: Generation;
  readonly request: ModelRequest;
  readonly caller: Caller;
}

/** What can be heard of the lives of generations. All of it is told in the tick in which it happens. */
export interface LifecycleListener {
  accepted?(life: Life): void;
  /** It was given to an upstream. @param attempt 1, and 2 or more after an upstream failed */
  attempt?(life: Life, attempt: number, upstream: string): void;
  /** The first thing that the model said is in the log. */
  first?(life: Life): void;
  /** @param failure why it failed or was interrupted; its `cause` is for operators only */
  ended?(life: Life, end: EndEntry, failure: CastError | undefined): void;
  /** A client that took no byte for `SLOW_READER_MS` was cut. */
  slowReader?(door: 'socket' | 'sse'): void;
}

/**
 * Tells listeners of the lives of all generations, synchronously and in the order in which they
 * came. What one of them throws is logged, and changes nothing for the others or the generation.
 */
@Injectable()
export class Lifecycle {
  private readonly logger = new Logger('Lifecycle');
  private readonly listeners: LifecycleListener[] = [];

  listen(listener: LifecycleListener): void {
    this.listeners.push(listener);
  }

  tell<Event extends keyof LifecycleListener>(
    event: Event,
    ...args: Parameters<NonNullable<LifecycleListener[Event]>>
  ): void {
    for (const listener of this.listeners) {
      try {
        (listener[event] as ((...args: unknown[]) => void) | undefined)?.call(listener, ...args);
      } catch (error) {
        this.logger.error(error);
      }
    }
  }
}
