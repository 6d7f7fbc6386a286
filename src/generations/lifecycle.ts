import { Injectable, Logger } from '@nestjs/common';
import type { Caller } from '../access/caller.js';
import type { ModelRequest } from '../cast/model-request.js';
import type { CastError, ErrorCode } from '../protocol/errors.js';
import type { ReportRequest } from '../protocol/requests.js';
import type { Generation } from './generation.js';
import type { EndEntry } from './log/entry.js';
import type { DoorName } from './log/reader.js';

/** One accepted request: what was asked, by whom, and the generation that answers it. */
export interface Life {
  readonly generation: Generation;
  readonly request: ModelRequest;
  readonly caller: Caller;
  /** It goes on without readers. */
  readonly keep: boolean;
  /**
   * The W3C `traceparent` under which its work stands: the caller's, until a listener makes spans of
   * its own. An upstream is asked under what it is when `attempt` has been told.
   */
  trace: string | undefined;
}

/** It goes on here; it has its end; another node was faster; it was gone already; the store refused. */
export const TAKEOVER_RESULTS = ['resumed', 'ended', 'faster', 'gone', 'failed'] as const;
export type TakeoverResult = (typeof TAKEOVER_RESULTS)[number];

/** How an upstream request ended: well, stopped by us, or with an error. */
export type AttemptResult = 'completed' | 'stopped' | ErrorCode;

/**
 * What can be heard of the lives of generations, and of those who read them. All of it is told in the
 * tick in which it happens.
 */
export interface LifecycleListener {
  accepted?(life: Life): void;
  /** It was given to an upstream. @param attempt 1, and 2 or more after an upstream failed */
  attempt?(life: Life, attempt: number, upstream: string): void;
  /** The upstream request is over. */
  attempted?(life: Life, attempt: number, upstream: string, result: AttemptResult): void;
  /** The first thing that the model said is in the log. */
  first?(life: Life): void;
  /** @param failure why it failed or was interrupted; its `cause` is for operators only */
  ended?(life: Life, end: EndEntry, failure: CastError | undefined): void;
  /** A client that took no byte for `SLOW_READER_MS` was cut. */
  slowReader?(door: DoorName): void;
  /** How long an entry took from its append until the connection of a reader took it; a sample. */
  delivered?(door: DoorName, lagMs: number): void;
  /**
   * Somebody asked for what follows the record `after` (0 = from the beginning).
   * @param replayed records that are there already
   */
  joined?(door: DoorName, after: number, result: 'ok' | ErrorCode, replayed: number): void;
  /** A request was refused, at any door, before anything came of it. */
  refused?(code: ErrorCode): void;
  /** A client has told what its user felt of an answer. */
  reported?(report: ReportRequest): void;
  /** The store that nodes share has answered, or has not. @param op a script, `command` or `publish` */
  stored?(op: string, ms: number): void;
  /** This node has tried to take over a generation of one that was lost, or goes. */
  tookOver?(result: TakeoverResult): void;
  /** What this node appended was refused: another one has taken the generation over. */
  fenced?(): void;
  /** This node did not hear its own messages. */
  deaf?(): void;
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
