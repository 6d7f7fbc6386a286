import type { Observable } from 'rxjs';
import type { Part } from '../cast/part.js';
import { CastError } from '../protocol/errors.js';
import type { GenerationView } from '../protocol/answers.js';
import type { ErrorCode } from '../protocol/errors.js';
import type { GenerationState, StreamState } from '../protocol/stream-state.js';
import type { TerminalRecord } from '../protocol/terminal-record.js';
import type { Timings, Usage } from '../protocol/usage.js';
import { GenerationLog, type LogReader, type LogSink, type Proof } from './log/generation-log.js';
import { ProgressThrottle } from './progress-throttle.js';
import { Records } from './records.js';
import { rounded, Stopwatch } from './stopwatch.js';

/** Why a generation was stopped from our side. */
type Stop =
  | { state: 'cancelled'; reason: 'client' | 'abandoned' }
  | { state: 'failed' | 'interrupted'; error: CastError };

export interface GenerationOptions {
  id: string;
  endpoint: 'generate' | 'chat' | 'pull';
  model: string;
  /** Whose it is, where that is known. */
  user: string | undefined;
  /** Goes on without readers. */
  keep: boolean;
  /** Most bytes of text, thinking and tool calls. */
  maxOutputBytes: number;
  /** Longest time without a slot, and from the first slot to the end, in milliseconds. */
  queueTimeoutMs: number;
  timeoutMs: number;
  /** How long it goes on without a reader, in milliseconds. */
  abandonAfterMs: number;
  /** Told how much memory its log takes. */
  onGrow(bytes: number): void;
  /** Told, in the same tick as its readers, that it has ended. */
  onEnd(generation: Generation): void;
}

/**
 * One accepted request: its state, its log and the upstream request behind it. It ends exactly once,
 * and only when that request is over.
 */
export class Generation {
  readonly id: string;
  readonly model: string;
  readonly user: string | undefined;
  readonly log: GenerationLog;
  /** Resolves with the terminal record. */
  readonly ended: Promise<TerminalRecord>;
  /** Why it failed or was interrupted; its `cause` is for the log only. */
  failure: CastError | undefined;
  /** What it is doing, as `streamState` says it. */
  status: StreamState;

  private resolveEnded!: (terminal: TerminalRecord) => void;
  /** Aborts the upstream request, while there is one. */
  private abort: AbortController | undefined;
  private timer: NodeJS.Timeout;
  private abandonTimer: NodeJS.Timeout | undefined;
  private readonly stopwatch = new Stopwatch();
  private stopped: { why: Stop; at: number } | undefined;
  private done: Extract<Part, { type: 'done' }> | undefined;
  private outputBytes = 0;
  private readonly progress = new ProgressThrottle();
  private silent = false;

  constructor(private readonly options: GenerationOptions) {
    this.id = options.id;
    this.model = options.model;
    this.user = options.user;
    this.status = { generationId: options.id, state: 'queued' };
    const records = new Records(options.id, options.model, options.endpoint);
    this.log = new GenerationLog(records, (bytes) => options.onGrow(bytes));
    this.ended = new Promise((resolve) => (this.resolveEnded = resolve));
    this.timer = setTimeout(() => this.fail('queue_timeout'), options.queueTimeoutMs);
    this.awaitReader();
  }

  get state(): GenerationState {
    return this.status.state;
  }

  /** @throws CastError `invalid_request` when `after` is beyond the last record */
  checkCursor(after: number): void {
    if (after <= this.log.seq) return;
    throw new CastError('invalid_request', {
      message: 'There is no such record yet.',
      details: [{ path: 'after', message: `at most ${this.log.seq}` }],
    });
  }

  /** Streams the records after `after`, which must exist, to the sink, then those to come. */
  read(sink: LogSink, after: number): LogReader {
    clearTimeout(this.abandonTimer);
    return this.log.reader(sink, after, () => this.awaitReader());
  }

  /** Whether it was cancelled or hit a limit: nothing more is asked of an upstream. */
  get isStopped(): boolean {
    return this.stopped !== undefined;
  }

  /** It waits for a slot. @param etaMs how long, as far as that can be guessed */
  wait(position: number, etaMs: number | undefined): void {
    // A new guess alone is no news.
    if (position === this.status.position) return;
    this.setStatus({ state: 'queued', position, ...(etaMs !== undefined && { etaMs }) });
  }

  /**
   * Makes an upstream request; its parts become the log.
   * @param attempt 1, and 2 or more after an upstream failed before the first record
   * @returns when that request is over: what went wrong with it, if anything did
   */
  run(
    upstream: string,
    attempt: number,
    stream: (signal: AbortSignal) => Observable<Part[]>,
  ): Promise<CastError | undefined> {
    const abort = new AbortController();
    this.abort = abort;
    if (!this.stopwatch.hasStarted) {
      this.stopwatch.start();
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.fail('generation_timeout'), this.options.timeoutMs);
    }
    this.setStatus({ state: 'starting', upstream, ...(attempt > 1 && { attempt }) });
    return new Promise((resolve) => {
      const over = (error?: CastError): void => {
        this.abort = undefined;
        resolve(error);
      };
      stream(abort.signal).subscribe({
        next: (parts) => {
          try {
            for (const part of parts) this.append(part);
          } catch (error) {
            this.stop({ state: 'failed', error: toCastError(error) });
          }
        },
        error: (error: unknown) => over(toCastError(error)),
        complete: () => over(),
      });
    });
  }

  /**
   * Stops it. Changes nothing once the last chunk is in the log.
   * @returns the terminal record, when the upstream request is over; the same however often asked
   */
  cancel(): Promise<TerminalRecord> {
    this.stop({ state: 'cancelled', reason: 'client' });
    return this.ended;
  }

  /** The server goes down. @returns like {@link cancel} */
  interrupt(): Promise<TerminalRecord> {
    this.stop({ state: 'interrupted', error: new CastError('node_shutdown') });
    return this.ended;
  }

  /** There is no upstream request any more: writes the terminal record, once. */
  end(error?: CastError): void {
    if (this.log.terminal) return;
    clearTimeout(this.timer);
    clearTimeout(this.abandonTimer);
    this.stopwatch.end();
    const terminal = this.log.end((seq, proof) => {
      const last = this.terminal(seq, proof, error);
      // The state goes first: nothing follows the terminal record.
      this.enter(last.state);
      return last;
    });
    this.options.onEnd(this);
    this.resolveEnded(terminal);
  }

  /** Tells its readers the state again if there was nothing else to tell since the last call. */
  reassure(): void {
    if (this.silent) this.log.announce(this.status);
    this.silent = true;
  }

  view(): GenerationView {
    const { state, position } = this.status;
    return {
      generationId: this.id,
      model: this.model,
      text: this.log.all('text'),
      thinking: this.log.all('thinking'),
      seq: this.log.seq,
      timings: this.timings(),
      usage: this.usage,
      ...(this.log.terminal ?? { state, ...(position !== undefined && { position }) }),
    };
  }

  private append(part: Part): void {
    if (this.stopped !== undefined) return;
    this.silent = false;
    if (part.type === 'progress' && !this.progress.passes(part)) return;
    this.outputBytes += size(part);
    if (this.outputBytes > this.options.maxOutputBytes) return this.fail('output_too_large');
    if (part.type === 'done') this.done = part;
    else if (this.log.seq === 0) {
      this.stopwatch.token();
      this.enter('streaming');
    }
    this.log.append(part);
  }

  private fail(code: ErrorCode): void {
    this.stop({ state: 'failed', error: new CastError(code) });
  }

  private stop(why: Stop): void {
    if (this.stopped !== undefined || this.done !== undefined || this.log.terminal) return;
    this.stopped = { why, at: performance.now() };
    if (this.abort === undefined) return this.end();
    this.enter('cancelling');
    this.abort.abort();
  }

  /** Without a reader, and unless it is to go on without one, its time runs. */
  private awaitReader(): void {
    if (this.options.keep || this.log.hasReaders || this.log.terminal) return;
    this.abandonTimer = setTimeout(
      () => this.stop({ state: 'cancelled', reason: 'abandoned' }),
      this.options.abandonAfterMs,
    );
  }

  private terminal(seq: number, proof: Proof, error: CastError | undefined): TerminalRecord {
    const generationId = this.id;
    if (this.stopped?.why.state === 'cancelled') {
      return {
        generationId,
        seq,
        message: 'Streaming cancelled',
        state: 'cancelled',
        reason: this.stopped.why.reason,
        upstreamClosedMs: rounded(performance.now() - this.stopped.at),
        ...proof,
      };
    }
    if (this.stopped === undefined && error === undefined && this.done !== undefined) {
      return {
        generationId,
        seq,
        message: 'Streaming completed',
        state: 'completed',
        finishReason: this.done.reason,
        usage: this.done.usage,
        timings: this.timings(),
        ...proof,
      };
    }
    const failure = this.stopped?.why.error ?? error ?? new CastError('internal');
    this.failure = failure;
    return {
      generationId,
      seq,
      error: 'Streaming error',
      state: this.stopped?.why.state ?? 'failed',
      code: failure.code,
      detail: failure.message,
      // Nobody can try again unseen what somebody has already read; a pull goes on where it was.
      retryable: failure.retryable && (seq === 1 || this.options.endpoint === 'pull'),
      ...(failure.retryAfterMs !== undefined && { retryAfterMs: failure.retryAfterMs }),
      ...proof,
    };
  }

  /** Tokens as far as the upstream has told them. */
  get usage(): Usage {
    return this.done?.usage ?? null;
  }

  timings(): Timings {
    return this.stopwatch.timings(this.done?.statistics ?? {});
  }

  /** Another state, on the upstream that it was given to. */
  private enter(state: GenerationState): void {
    const { upstream, attempt } = this.status;
    this.setStatus({
      state,
      ...(upstream !== undefined && { upstream }),
      ...(attempt !== undefined && { attempt }),
    });
  }

  private setStatus(status: Omit<StreamState, 'generationId'>): void {
    this.status = { generationId: this.id, ...status };
    this.silent = false;
    this.log.announce(this.status);
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

function toCastError(error: unknown): CastError {
  return error instanceof CastError ? error : new CastError('internal', { cause: error });
}
