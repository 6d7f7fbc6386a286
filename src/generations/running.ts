import type { Observable } from 'rxjs';
import type { Cadence } from '../cast/cadence.js';
import { EventBudget } from '../cast/event-budget.js';
import type { Part } from '../cast/part.js';
import { StopSignal } from '../cast/stop-signal.js';
import { asCastError, CastError, type ErrorCode } from '../protocol/errors.js';
import type { GenerationState } from '../protocol/stream-state.js';
import { type Driver, Generation, type GenerationFacts } from './generation.js';
import type { CancelReason, End, EndEntry } from './log/entry.js';
import type { Proof } from './log/proof.js';
import { HeldSteps } from './held-steps.js';
import { ProgressThrottle } from './progress-throttle.js';
import type { DoorName } from './log/reader.js';
import { rounded } from './stopwatch.js';

/** Why a generation was stopped from our side. */
type Stop =
  | { state: 'cancelled'; reason: CancelReason }
  | { state: 'failed' | 'interrupted'; error: CastError };

/** The limits of one generation. */
export interface Limits {
  /** It goes on without readers. */
  keep: boolean;
  /** Most bytes of text, thinking and tool calls. */
  maxOutputBytes: number;
  /** Longest time without a slot, and from the first slot to the end, in milliseconds. */
  queueTimeoutMs: number;
  timeoutMs: number;
  /** How long it goes on without a reader, in milliseconds. */
  abandonAfterMs: number;
}

/** What is to hear of a running generation. */
export interface RunningEvents {
  onGrow(bytes: number): void;
  /** The first thing that the model said is in the log. */
  onFirst(): void;
  /** See {@link Driver.onDelivered}. */
  onDelivered(door: DoorName, lagMs: number): void;
  /** See `Peers.confirm`; asked before the first entry. */
  confirm?(): Promise<void> | undefined;
  /** See `Peers.seal`. */
  seal?(end: EndEntry): Promise<void> | undefined;
  /** Another node has begun anew with it, as nothing was said here. */
  onTaken?(): void;
  /** It is about to be stopped, as nobody waits for it any more. */
  onGivenUp?(): void;
  /** What a client may see of the reason of a refusal. */
  reasonOf?(said: string): string | undefined;
  /** It has ended; called in the same tick as its readers. */
  onEnd(end: EndEntry): void;
}

/**
 * The producer of one generation: its state, its timers and its limits. It ends exactly once, and
 * only when the upstream request is over.
 * Each timer and each limit may end it, and must know of the others; so this file is longer than others.
 */
export class Running implements Driver {
  readonly generation: Generation;
  /** Why it failed or was interrupted; its `cause` is for the log only. */
  failure: CastError | undefined;

  /** Stops the upstream request, while there is one. */
  private signal: StopSignal | undefined;
  /** Called when that request is over. */
  private onceOver: (() => void) | undefined;
  private timer: NodeJS.Timeout | undefined;
  private abandonTimer: NodeJS.Timeout | undefined;
  private stopped: { why: Stop; at: number } | undefined;
  private outputBytes = 0;
  /** Of all its upstream requests. */
  readonly budget: EventBudget;
  /** Of a pull. */
  private progress: ProgressThrottle | undefined;
  /** Whether nothing was told since the last call of {@link reassure}. */
  private silent = false;
  /** It was given to an upstream here; its generation may have been before, too. */
  private hasRun = false;
  /** It has its place, and this drives it. */
  private isDriving = false;
  /** It is on its way to another node: nothing is said here any more. */
  private isLeaving = false;
  /** Nothing more is done for it; its readers may be about to be told. */
  private isOver = false;
  /** What its upstream has said and is not shown yet. */
  private held = new HeldSteps();

  /** @param generation what is known of a new one; or one that another node has begun */
  constructor(
    generation: GenerationFacts | Generation,
    private readonly limits: Limits,
    private readonly events: RunningEvents,
    cadence: Cadence,
  ) {
    this.budget = new EventBudget(cadence);
    this.generation =
      generation instanceof Generation ? generation : new Generation(generation, this);
  }

  /** Whether it was cancelled or hit a limit: nothing more is asked of an upstream. */
  get isStopped(): boolean {
    return this.stopped !== undefined;
  }

  /** Whether its first entry is shown, or about to be: no other node could begin anew. */
  get hasBegun(): boolean {
    return this.generation.log.seq > 0 || !this.held.isEmpty;
  }

  /** Whether it is on its way to another node. */
  get hasLeft(): boolean {
    return this.isLeaving;
  }

  /** Whether nothing more is done for it; its readers are told as soon as all nodes can know. */
  get hasEnded(): boolean {
    return this.isOver;
  }

  onGrow(bytes: number): void {
    this.events.onGrow(bytes);
  }

  onDelivered(door: DoorName, lagMs: number): void {
    this.events.onDelivered(door, lagMs);
  }

  /** Without a reader, and unless it is to go on without one, its time runs. */
  onAudience(hasReaders: boolean): void {
    clearTimeout(this.abandonTimer);
    this.abandonTimer = undefined;
    if (hasReaders || this.limits.keep || !this.isDriving) return;
    if (this.hasEnded || this.isLeaving) return;
    this.abandonTimer = setTimeout(() => this.cancel('abandoned'), this.limits.abandonAfterMs);
  }

  /** It waits for a slot. @param etaMs how long, as far as that can be guessed */
  wait(position: number, etaMs: number | undefined): void {
    // A new guess alone is no news.
    if (position === this.generation.status.position) return;
    this.silent = false;
    this.generation.announce({ state: 'queued', position, ...(etaMs !== undefined && { etaMs }) });
  }

  /**
   * Makes an upstream request; its parts become the log.
   * @param attempt 1, and 2 or more after an upstream failed before the first entry
   * @returns when that request is over: what went wrong with it, if anything did
   */
  run(
    upstream: string,
    attempt: number,
    stream: (signal: StopSignal) => Observable<Part[]>,
  ): Promise<CastError | undefined> {
    const { stopwatch } = this.generation;
    const signal = new StopSignal();
    this.signal = signal;
    if (!stopwatch.hasStarted) stopwatch.start();
    if (!this.hasRun) {
      this.hasRun = true;
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.fail('generation_timeout'), this.limits.timeoutMs);
    }
    this.silent = false;
    this.generation.announce({ state: 'starting', upstream, ...(attempt > 1 && { attempt }) });
    return new Promise((resolve) => {
      const over = (error?: CastError): void => {
        this.signal = undefined;
        this.onceOver?.();
        resolve(error);
      };
      const held = new HeldSteps();
      this.held = held;
      // What is on its way to another node is begun there.
      const begin = () => (this.isLeaving ? undefined : this.events.confirm?.());
      // What was stopped shows nothing more: its end waits for nothing that would have come before.
      const last = (step: () => void) => (this.isStopped ? step() : held.inOrder(step));
      const { log } = this.generation;
      let heldBytes = 0;
      stream(signal).subscribe({
        next: (parts) => {
          if (log.seq > 0 && held.isEmpty) return this.appendAll(parts);
          // What waits behind the first read counts already: who is asked may be away for long.
          if (!held.isEmpty) for (const part of parts) heldBytes += size(part);
          if (heldBytes > this.limits.maxOutputBytes) return this.fail('output_too_large');
          held.after(begin, () => this.appendAll(parts));
        },
        error: (error: unknown) => last(() => over(asCastError(error))),
        complete: () => last(() => over()),
      });
    });
  }

  /** @internal */
  head(): number {
    return this.generation.log.seq;
  }

  onLost(): void {
    // The node that takes it over has to fence it; and how it ends is not said before that is known.
    if (this.isLeaving || this.isOver) return;
    if (this.generation.log.seq === 0 && !this.isStopped) this.events.onTaken?.();
    else this.stop({ state: 'interrupted', error: new CastError('node_lost') }, true);
  }

  /** It has its place: from now on its time runs, and what was asked of it before is done. */
  drive(): void {
    this.isDriving = true;
    this.timer = setTimeout(() => this.fail('queue_timeout'), this.limits.queueTimeoutMs);
    this.generation.drivenBy(this);
  }

  /**
   * Stops what is done for it here, so that another node can begin anew.
   * @returns when its upstream request is over; false where it has ended, or said something already
   */
  async leave(): Promise<boolean> {
    if (this.hasEnded || this.isStopped || this.generation.log.seq > 0) return false;
    this.isLeaving = true;
    clearTimeout(this.timer);
    clearTimeout(this.abandonTimer);
    if (this.signal === undefined) return true;
    const over = new Promise<void>((resolve) => (this.onceOver = resolve));
    this.signal.stop();
    await over;
    return true;
  }

  /** No other node has taken it. @returns the last entry */
  stay(): Promise<EndEntry> {
    this.isLeaving = false;
    if (this.isStopped) this.end();
    return this.interrupt();
  }

  cancel(reason: CancelReason): void {
    if (this.isDriving) this.stop({ state: 'cancelled', reason });
  }

  giveUp(): void {
    if (this.isStopped || this.isOver) return;
    this.events.onGivenUp?.();
    void this.generation.cancel();
  }

  /** The server goes down. @returns the last entry, when the upstream request is over */
  interrupt(): Promise<EndEntry> {
    this.stop({ state: 'interrupted', error: new CastError('node_shutdown') });
    return this.generation.ended;
  }

  /** There is no upstream request any more: writes the end, once. */
  end(error?: CastError): void {
    if (this.isOver || this.isLeaving) return;
    this.isOver = true;
    clearTimeout(this.timer);
    clearTimeout(this.abandonTimer);
    const { generation } = this;
    generation.stopwatch.end();
    const end = generation.log.ending((proof, seq) => this.endOf(proof, seq, error));
    const sealed = this.events.seal?.(end);
    if (sealed === undefined) this.close(end);
    else void this.closeAfter(sealed, end);
  }

  private async closeAfter(sealed: Promise<void>, end: EndEntry): Promise<void> {
    await sealed;
    this.close(end);
  }

  /** Tells the readers, unless another node has written how it ends. */
  private close(end: EndEntry): void {
    const { generation } = this;
    if (generation.log.end === undefined) {
      // The state goes first: nothing follows the end.
      this.enter(end.said.state);
      generation.finish(end);
    }
    this.events.onEnd(generation.log.end ?? end);
  }

  /** Tells the readers the state again if there was nothing else to tell since the last call. */
  reassure(): void {
    if (this.silent) this.generation.repeat();
    this.silent = true;
  }

  /** What one read brought: an event each while the budget lasts, else as few as can be. */
  private appendAll(parts: readonly Part[]): void {
    const { budget, generation } = this;
    const { log, timer } = generation;
    const before = log.seq;
    const beforeAt = budget.at;
    try {
      if (budget.take(parts.length)) this.appendEach(parts);
      else {
        budget.spend();
        log.together(() => this.appendEach(parts));
      }
      if (timer === undefined) return;
      const pieces = log.seq - before - (generation.done === undefined ? 0 : 1);
      if (pieces > 0) timer.pieces(pieces, budget.at - beforeAt);
    } catch (error) {
      this.stop({ state: 'failed', error: asCastError(error) });
    }
  }

  private appendEach(parts: readonly Part[]): void {
    for (const part of parts) this.append(part);
  }

  private append(part: Part): void {
    if (this.stopped !== undefined) {
      if ('text' in part) this.generation.lateTokens++;
      return;
    }
    if (this.isLeaving) return;
    this.silent = false;
    if (part.type === 'progress' && !this.passes(part)) return;
    this.outputBytes += size(part);
    if (this.outputBytes > this.limits.maxOutputBytes) return this.fail('output_too_large');
    const { generation } = this;
    const isFirst = part.type !== 'done' && generation.log.seq === 0;
    if (isFirst) {
      generation.stopwatch.token();
      this.enter('streaming');
    }
    if (part.type === 'done') generation.done = part;
    generation.log.append(part);
    if (isFirst) this.events.onFirst();
  }

  private passes(part: Extract<Part, { type: 'progress' }>): boolean {
    return (this.progress ??= new ProgressThrottle()).passes(part);
  }

  private fail(code: ErrorCode): void {
    this.stop({ state: 'failed', error: new CastError(code) });
  }

  /** @param isLost it is another node's by now: the upstream's last word is none of it */
  private stop(why: Stop, isLost = false): void {
    // After the upstream's last word nothing changes how it ends.
    if (this.generation.finishReason !== undefined && !isLost) return;
    if (this.stopped !== undefined || this.hasEnded) return;
    this.stopped = { why, at: performance.now() };
    if (this.isLeaving) return;
    if (this.signal === undefined) return this.end();
    this.enter('cancelling');
    this.signal.stop();
  }

  private endOf(proof: Proof, seq: number, error: CastError | undefined): End {
    const { generation, stopped } = this;
    const type = 'end';
    if (stopped?.why.state === 'cancelled') {
      const upstreamClosedMs = rounded(performance.now() - stopped.at);
      return { type, state: 'cancelled', reason: stopped.why.reason, upstreamClosedMs, ...proof };
    }
    const { finishReason: reason } = generation;
    if (stopped === undefined && error === undefined && reason !== undefined) {
      const { usage } = generation;
      return { type, state: 'completed', reason, usage, timings: generation.timings(), ...proof };
    }
    const failure = stopped?.why.error ?? error ?? new CastError('internal');
    this.failure = failure;
    return {
      type,
      state: stopped?.why.state ?? 'failed',
      code: failure.code,
      detail: this.detailOf(failure),
      // Nobody can try again unseen what somebody has already read; a pull goes on where it was.
      retryable: failure.retryable && (seq === 1 || generation.endpoint === 'pull'),
      retryAfterMs: failure.retryAfterMs,
      ...proof,
    };
  }

  /** What happened and, where an upstream refused, why. */
  private detailOf({ message, said }: CastError): string {
    const reason = said === undefined ? undefined : this.events.reasonOf?.(said);
    return reason === undefined ? message : `${message} It said: ${reason}`;
  }

  /** Another state, on the upstream that it was given to. */
  private enter(state: GenerationState): void {
    const { upstream, attempt } = this.generation.status;
    this.silent = false;
    this.generation.announce({
      state,
      ...(upstream !== undefined && { upstream }),
      ...(attempt !== undefined && { attempt }),
    });
  }
}

/** Bytes of a part that count against `MAX_OUTPUT_BYTES`. */
function size(part: Part): number {
  switch (part.type) {
    case 'text':
    case 'thinking':
    case 'refusal':
      return Buffer.byteLength(part.text);
    case 'tool_calls':
      return Buffer.byteLength(JSON.stringify(part.calls));
    case 'progress':
      return Buffer.byteLength(part.status) + (part.digest?.length ?? 0);
    case 'done':
      return 0;
    default:
      return part satisfies never;
  }
}
