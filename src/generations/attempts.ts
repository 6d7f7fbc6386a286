import { Logger } from '@nestjs/common';
import type { CastService } from '../cast/cast.service.js';
import type { Upstream } from '../cast/upstream.js';
import { CastError } from '../protocol/errors.js';
import type { StreamState } from '../protocol/stream-state.js';
import type { Lifecycle, Life } from './lifecycle.js';
import type { Durations } from './line/durations.js';
import type { PrefixRouting } from './line/prefix-routing.js';
import type { LineAccount, SlotKeeper, Ticket } from './line/slot-keeper.js';
import type { Running } from './running.js';

/** Most upstream requests for one generation. */
const MAX_ATTEMPTS = 3;
/** Pause before the same upstream is asked again; doubled each time, half of it random. */
const RETRY_PAUSE_MS = 250;
/** An upstream that wants a longer pause (`Retry-After`) is not asked again. */
const LONGEST_PAUSE_MS = 60_000;

const logger = new Logger('Generations');

/** What the attempts of all generations share. */
export interface AttemptsContext {
  readonly cast: Pick<CastService, 'candidates' | 'refresh' | 'refusal' | 'puller'>;
  readonly slots: Pick<SlotKeeper, 'enter' | 'reenter' | 'leave' | 'release'>;
  readonly durations: Durations;
  /** Undefined where there is nothing to choose, or it is switched off. */
  readonly routing?: Pick<PrefixRouting, 'savingsOf'> | undefined;
  readonly lifecycle: Lifecycle;
}

/**
 * One generation's way: into the line, to an upstream when it has a slot, and, where that fails
 * before the first entry, to another one, or to the same after a pause. A pull takes the same way,
 * but for the line: it needs the network and not the GPU.
 */
export class Attempts implements Ticket {
  readonly id: string;
  readonly user: string;
  savings: ReadonlyMap<Upstream, number> | undefined;
  private attempt: number;
  /** There is an upstream request now. */
  private isAsking = false;
  private lastError: CastError | undefined;
  /** Upstreams that failed this generation. */
  private readonly failed: Upstream[] = [];
  private retryTimer: NodeJS.Timeout | undefined;
  private hasBegun = false;
  /** The upstream whose slot it got before it began. */
  private given: Upstream | undefined;
  /** Its position in the line before it began; 0 = it has a slot. */
  private position = 0;

  constructor(
    private readonly life: Life,
    private readonly running: Running,
    private readonly context: AttemptsContext,
    readonly accounts: readonly LineAccount[] = [],
  ) {
    this.id = life.generation.id;
    this.user = life.caller.turn;
    this.attempt = attemptsOf(life.generation.status);
  }

  private get isPull(): boolean {
    return this.life.request.endpoint === 'pull';
  }

  /**
   * Takes a slot, or a place in the line; nothing is asked of an upstream yet.
   * @returns whether it waits
   * @throws CastError `queue_full`, `rate_limited`, `store_unavailable`
   */
  async enter(): Promise<boolean> {
    if (!this.isPull) {
      const { routing, slots } = this.context;
      if (routing !== undefined) this.savings = await routing.savingsOf(this.life);
      this.position = await slots.enter(this);
    }
    return this.position > 0;
  }

  /** Goes to its upstream, or waits for its turn. */
  begin(): void {
    const { cast } = this.context;
    this.hasBegun = true;
    if (this.isPull) return this.start(cast.puller());
    // Nobody lists the model: it may be new. Whether it is there is known after the refresh.
    if (this.candidates().length === 0) void cast.refresh();
    if (this.given !== undefined) return this.start(this.given);
    if (this.position > 0) this.moved(this.position);
  }

  /** It is not begun after all. */
  discard(): void {
    this.stop();
    this.giveBack();
  }

  private giveBack(): void {
    if (!this.isPull) void this.context.slots.release(this);
  }

  /** The generation has ended: nothing is waited for any more. */
  stop(): void {
    clearTimeout(this.retryTimer);
    if (!this.isPull) void this.context.slots.leave(this);
  }

  /** Ends the generation if it has no upstream, and none could serve it any more. */
  failWithoutUpstream(): void {
    if (this.running.hasLeft) return;
    if (this.isAsking || this.running.hasEnded || this.candidates().length > 0) return;
    const refusal = this.context.cast.refusal(this.life.request);
    this.running.end(this.lastError ?? refusal ?? new CastError('model_not_found'));
  }

  candidates(): readonly Upstream[] {
    const able = this.context.cast.candidates(this.life.request);
    const untried = able.filter((upstream) => !this.failed.includes(upstream));
    return untried.length > 0 ? untried : able;
  }

  get turnMs(): number | undefined {
    return this.context.durations.of(this.life.request.model);
  }

  prefers(upstream: Upstream): boolean {
    return upstream.hasLoaded(this.life.request.model);
  }

  start(upstream: Upstream): void {
    if (!this.hasBegun) {
      this.given = upstream;
      return;
    }
    // It may have ended, and wait only until all nodes can know that.
    if (this.running.hasEnded) return this.giveBack();
    this.ask(upstream)
      .catch((cause: unknown) => this.running.end(new CastError('internal', { cause })))
      .catch((error: unknown) => logger.error(error));
  }

  moved(position: number): void {
    this.position = position;
    // Between attempts it is not told to wait again: it goes first.
    if (!this.hasBegun || this.attempt > 0 || this.running.hasEnded) return;
    const one = this.turnMs;
    const slots = this.candidates().reduce((sum, upstream) => sum + upstream.slots, 0);
    const etaMs = one === undefined ? undefined : Math.round((one * position) / Math.max(1, slots));
    this.running.wait(position, etaMs);
  }

  /** One upstream request, from its slot to its end; what follows is decided when it is over. */
  private async ask(upstream: Upstream): Promise<void> {
    const { request } = this.life;
    this.attempt++;
    this.isAsking = true;
    let isReading = false;
    try {
      const { lifecycle } = this.context;
      lifecycle.tell('attempt', this.life, this.attempt, upstream.name);
      const error = await this.running.run(upstream.name, this.attempt, (signal) =>
        upstream.stream(request, {
          signal,
          trace: this.life.trace,
          budget: this.running.budget,
          waits: !this.hasOther(upstream),
        }),
      );
      this.isAsking = false;
      const { isStopped, hasLeft } = this.running;
      const result = isStopped || hasLeft ? 'stopped' : (error?.code ?? 'completed');
      lifecycle.tell('attempted', this.life, this.attempt, upstream.name, result);
      if (hasLeft) return;
      this.lastError = error;
      isReading = this.isReading(error);
      const pauseMs = error === undefined ? undefined : this.pauseBeforeRetry(error, upstream);
      if (pauseMs === undefined) this.running.end(error);
      else this.retryTimer = setTimeout(() => this.retry(), pauseMs);
    } finally {
      this.isAsking = false;
      // Its slot goes with it.
      if (!this.running.hasLeft) {
        if (isReading && !this.isPull) await upstream.settled(request);
        this.giveBack();
      }
    }
  }

  /** Whether the upstream may still be reading the prompt of a request that was aborted. */
  private isReading(error: CastError | undefined): boolean {
    const { isStopped, generation } = this.running;
    const isAborted = isStopped || error?.code === 'first_byte_timeout';
    return error !== undefined && isAborted && generation.log.seq === 0;
  }

  /** Whether another upstream can be tried first. */
  private hasOther(upstream: Upstream): boolean {
    return this.candidates().some((other) => other !== upstream && !this.failed.includes(other));
  }

  private retry(): void {
    if (this.running.hasLeft) return;
    this.failWithoutUpstream();
    if (!this.running.hasEnded) void this.context.slots.reenter(this);
  }

  /** How long to wait before the next attempt; undefined if there is to be none. */
  private pauseBeforeRetry(error: CastError, upstream: Upstream): number | undefined {
    const { running } = this;
    const hasBegun = running.generation.log.seq > 0 || running.isStopped;
    if (!error.retryable || hasBegun || this.isPull || this.attempt >= MAX_ATTEMPTS) {
      return undefined;
    }
    this.failed.push(upstream);
    if (this.hasOther(upstream)) return 0;
    // That was waited for already.
    if (error.code === 'upstream_loading') return undefined;
    const pause = RETRY_PAUSE_MS * 2 ** (this.attempt - 1) * (0.5 + Math.random() / 2);
    const wanted = Math.max(pause, error.retryAfterMs ?? 0);
    return wanted > LONGEST_PAUSE_MS ? undefined : wanted;
  }
}

/** How many upstream requests there were before: another node may have made them. */
function attemptsOf({ upstream, attempt }: StreamState): number {
  return attempt ?? (upstream === undefined ? 0 : 1);
}
