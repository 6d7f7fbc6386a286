import type { Observable } from 'rxjs';
import type { Part } from '../cast/cast.service.js';
import { CastError } from '../errors.js';
import type {
  GenerationState,
  GenerationView,
  Statistics,
  TerminalRecord,
  Timings,
} from '../protocol.js';
import { GenerationLog, type Proof } from './generation-log.js';
import { Records } from './records.js';

/** Why a generation was stopped from our side. */
type Stop =
  { state: 'cancelled'; reason: 'client' } | { state: 'failed' | 'interrupted'; error: CastError };

export interface GenerationOptions {
  id: string;
  endpoint: 'generate' | 'chat';
  model: string;
  /** Most bytes of text, thinking and tool calls. */
  maxOutputBytes: number;
  /** Longest time from start to end, in milliseconds. */
  timeoutMs: number;
}

/**
 * One accepted request: its state, its log and the upstream request behind it. It ends exactly once,
 * and only when that request is over.
 */
export class Generation {
  readonly id: string;
  readonly model: string;
  readonly log: GenerationLog;
  state: GenerationState = 'starting';
  /** Resolves with the terminal record. */
  readonly ended: Promise<TerminalRecord>;
  private resolveEnded!: (terminal: TerminalRecord) => void;

  private readonly abort = new AbortController();
  private readonly timer: NodeJS.Timeout;
  private readonly acceptedAt = performance.now();
  private readonly maxOutputBytes: number;
  /** Why it failed or was interrupted; its `cause` is for the log only. */
  failure: CastError | undefined;
  private firstTokenAt: number | undefined;
  private endedAt: number | undefined;
  private stopped: { why: Stop; at: number } | undefined;
  private done: Extract<Part, { type: 'done' }> | undefined;
  private outputBytes = 0;

  constructor(options: GenerationOptions) {
    this.id = options.id;
    this.model = options.model;
    this.maxOutputBytes = options.maxOutputBytes;
    this.log = new GenerationLog(new Records(options.id, options.model, options.endpoint));
    this.ended = new Promise((resolve) => (this.resolveEnded = resolve));
    this.timer = setTimeout(() => this.fail('generation_timeout'), options.timeoutMs);
  }

  /** Starts the upstream request, once; its parts become the log. */
  run(stream: (signal: AbortSignal) => Observable<Part[]>): void {
    stream(this.abort.signal).subscribe({
      next: (parts) => {
        for (const part of parts) this.append(part);
      },
      error: (error: unknown) => this.end(error),
      complete: () => this.end(),
    });
  }

  /**
   * Stops the upstream request. Changes nothing once the last chunk is in the log.
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

  view(): GenerationView {
    return {
      generationId: this.id,
      model: this.model,
      text: this.log.all('text'),
      thinking: this.log.all('thinking'),
      seq: this.log.seq,
      timings: this.timings(),
      usage: this.done?.usage ?? null,
      ...(this.log.terminal ?? { state: this.state }),
    };
  }

  private append(part: Part): void {
    if (this.stopped !== undefined) return;
    this.outputBytes += size(part);
    if (this.outputBytes > this.maxOutputBytes) return this.fail('output_too_large');
    if (part.type === 'done') this.done = part;
    else if (this.firstTokenAt === undefined) {
      this.firstTokenAt = performance.now();
      this.setState('streaming');
    }
    this.log.append(part);
  }

  private fail(code: 'output_too_large' | 'generation_timeout'): void {
    this.stop({ state: 'failed', error: new CastError(code) });
  }

  private stop(why: Stop): void {
    if (this.stopped !== undefined || this.done !== undefined || this.log.terminal) return;
    this.stopped = { why, at: performance.now() };
    this.setState('cancelling');
    this.abort.abort();
  }

  /** The upstream request is over. */
  private end(error?: unknown): void {
    clearTimeout(this.timer);
    this.endedAt = performance.now();
    const terminal = this.log.end((seq, proof) => {
      const last = this.terminal(seq, proof, error);
      // The state goes first: nothing follows the terminal record.
      this.setState(last.state);
      return last;
    });
    this.resolveEnded(terminal);
  }

  private terminal(seq: number, proof: Proof, error: unknown): TerminalRecord {
    const envelope = { generationId: this.id, seq };
    if (this.stopped?.why.state === 'cancelled') {
      return {
        ...envelope,
        message: 'Streaming cancelled',
        state: 'cancelled',
        reason: this.stopped.why.reason,
        upstreamClosedMs: round(performance.now() - this.stopped.at),
        ...proof,
      };
    }
    if (this.stopped === undefined && error === undefined && this.done !== undefined) {
      return {
        ...envelope,
        message: 'Streaming completed',
        state: 'completed',
        finishReason: this.done.reason,
        usage: this.done.usage,
        timings: this.timings(),
        ...proof,
      };
    }
    const failure = this.stopped?.why.error ?? toCastError(error);
    this.failure = failure;
    return {
      ...envelope,
      error: 'Streaming error',
      state: this.stopped?.why.state ?? 'failed',
      code: failure.code,
      detail: failure.message,
      // Nobody can try again unseen what somebody has already read.
      retryable: failure.retryable && seq === 1,
      ...(failure.retryAfterMs !== undefined && { retryAfterMs: failure.retryAfterMs }),
      ...proof,
    };
  }

  private timings(): Timings {
    const { load_duration, eval_count, eval_duration }: Statistics = this.done?.statistics ?? {};
    const since = (at: number | undefined): number | null =>
      at === undefined ? null : round(at - this.acceptedAt);
    return {
      queuedMs: 0,
      loadMs: load_duration === undefined ? null : round(load_duration / 1e6),
      firstTokenMs: since(this.firstTokenAt),
      totalMs: since(this.endedAt),
      tokensPerSecond:
        eval_count === undefined || !eval_duration
          ? null
          : round(eval_count / (eval_duration / 1e9)),
    };
  }

  private setState(state: GenerationState): void {
    this.state = state;
    this.log.announce(state);
  }
}

/** Bytes of a part that count against `MAX_OUTPUT_BYTES`. */
function size(part: Part): number {
  switch (part.type) {
    case 'text':
    case 'thinking':
      return Buffer.byteLength(part.text);
    case 'tool_calls':
      return Buffer.byteLength(JSON.stringify(part.calls));
    case 'done':
      return 0;
    default:
      return part satisfies never;
  }
}

function toCastError(error: unknown): CastError {
  return error instanceof CastError ? error : new CastError('internal', { cause: error });
}

/** Microseconds are enough. */
function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
