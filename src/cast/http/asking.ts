import type { HttpService } from '@nestjs/axios';
import type { Subscriber } from 'rxjs';
import { CastError } from '../../protocol/errors.js';
import type { Part } from '../part.js';
import type { StopSignal } from '../stop-signal.js';
import type { DialectCall } from './dialect.js';
import { Exchange } from './exchange.js';
import type { UpstreamCall } from './upstream-call.js';

/** Most requests that differ in what a server wants. */
const MAX_WAYS = 4;
/** Pause before a server that is loading is asked again, and the longest: each doubles it. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 2_000;

export interface AskingOptions {
  signal: StopSignal;
  /** Whether to wait as long as the server is loading. */
  waits: boolean;
  /** Longest time until the first byte of the answer, with all pauses. */
  firstByteTimeoutMs: number;
  /** The request that asks in this way. */
  callOf(call: DialectCall, firstByteTimeoutMs: number): UpstreamCall<Part>;
  /** Hears how it ended, unless the subscriber has left. @param last what came last */
  onOver(error: unknown, last?: Part): void;
}

/**
 * Asks until an answer begins: again after a pause where the server is loading the model, and in
 * another way where its refusal names what it does not take. Then it passes the answer on.
 */
export class Asking {
  private readonly deadline: number;
  private running: Exchange<Part> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private pauseMs = FIRST_PAUSE_MS;
  private ways = 1;
  private hasBegun = false;
  /** What the last read brought. */
  private last: Part[] | undefined;
  /** The server said that it is loading. */
  private loading: CastError | undefined;

  constructor(
    private readonly http: HttpService,
    private call: DialectCall,
    private readonly options: AskingOptions,
    private readonly out: Subscriber<Part[]>,
  ) {
    this.deadline = performance.now() + options.firstByteTimeoutMs;
  }

  begin(): void {
    this.ask();
    this.options.signal.watch(this.cancel);
  }

  /** The subscriber has left: nothing runs on. */
  leave(): void {
    this.options.signal.forget();
    clearTimeout(this.timer);
    this.running?.leave();
  }

  get closed(): boolean {
    return this.out.closed;
  }

  next(parts: Part[]): void {
    if (!this.hasBegun) this.accept();
    this.last = parts;
    this.out.next(parts);
  }

  complete(): void {
    if (!this.hasBegun) this.accept();
    this.options.onOver(undefined, this.last?.at(-1));
    this.out.complete();
  }

  error(error: unknown): void {
    if (!this.triesAgain(error)) this.end(error);
  }

  private readonly cancel = (): void => {
    const { reason } = this.options.signal;
    if (this.timer === undefined) this.running?.stop(reason);
    else this.end(reason);
  };

  private ask(): void {
    this.timer = undefined;
    const leftMs = Math.max(1, this.deadline - performance.now());
    this.running?.leave();
    this.running = new Exchange(this.options.callOf(this.call, leftMs), this);
    this.running.send(this.http);
  }

  private accept(): void {
    this.hasBegun = true;
    this.call.accepted?.();
  }

  private triesAgain(error: unknown): boolean {
    const { signal, waits } = this.options;
    if (this.hasBegun || signal.isStopped || this.closed || !(error instanceof CastError)) {
      return false;
    }
    if (error.said !== undefined && this.ways < MAX_WAYS) {
      const other = this.call.otherwise?.(error.said);
      if (other !== undefined) {
        this.ways++;
        this.call = other;
        this.ask();
        return true;
      }
    }
    return waits && error.code === 'upstream_loading' && this.waitsFor(error);
  }

  /** @returns false where its time is up */
  private waitsFor(loading: CastError): boolean {
    this.loading = loading;
    const pauseMs = Math.max(this.pauseMs, loading.retryAfterMs ?? 0);
    this.pauseMs = Math.min(2 * this.pauseMs, LONGEST_PAUSE_MS);
    if (performance.now() + pauseMs >= this.deadline) return false;
    this.timer = setTimeout(() => this.ask(), pauseMs);
    return true;
  }

  private end(error: unknown): void {
    clearTimeout(this.timer);
    const isLate = error instanceof CastError && error.code === 'first_byte_timeout';
    const cause = isLate ? (this.loading ?? error) : error;
    if (!this.closed) this.options.onOver(cause);
    this.out.error(cause);
  }
}
