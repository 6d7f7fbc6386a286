import type { CastService } from '../cast/cast.service.js';
import type { ModelRequest } from '../cast/model-request.js';
import type { Upstream } from '../cast/upstream.js';
import { CastError } from '../protocol/errors.js';
import type { Admission, Ticket } from './line/admission.js';
import type { Durations } from './line/durations.js';
import type { Generation } from './generation.js';

/** Most upstream requests for one generation. */
const MAX_ATTEMPTS = 3;
/** Pause before the same upstream is asked again; doubled each time, half of it random. */
const RETRY_PAUSE_MS = 250;
/** An upstream that wants a longer pause (`Retry-After`) is not asked again. */
const LONGEST_PAUSE_MS = 60_000;

/**
 * One generation's way: into the line, to an upstream when it has a slot, and, where that fails before
 * the first record, to another one, or to the same after a pause.
 */
export class Run implements Ticket {
  private attempt = 0;
  /** There is an upstream request now. */
  private isAsking = false;
  private lastError: CastError | undefined;
  /** Upstreams that failed this generation. */
  private readonly failed = new Set<Upstream>();

  constructor(
    readonly user: string,
    private readonly generation: Generation,
    private readonly request: ModelRequest,
    private readonly cast: CastService,
    private readonly admission: Admission,
    private readonly durations: Durations,
  ) {}

  /** Goes to an upstream at once, or into the line. */
  begin(): void {
    // Nobody lists the model: it may be new. Whether it is there is known after the refresh.
    if (this.candidates().length === 0) void this.cast.refresh();
    const position = this.admission.enter(this);
    if (position > 0) this.moved(position);
  }

  /** Ends the generation if it has no upstream, and none could serve it any more. */
  failWithoutUpstream(): void {
    if (this.isAsking || this.generation.log.terminal || this.candidates().length > 0) return;
    const refusal = this.cast.refusal(this.request);
    this.generation.end(this.lastError ?? refusal ?? new CastError('model_not_found'));
  }

  candidates(): readonly Upstream[] {
    const able = this.cast.candidates(this.request);
    const untried = able.filter((upstream) => !this.failed.has(upstream));
    return untried.length > 0 ? untried : able;
  }

  prefers(upstream: Upstream): boolean {
    return upstream.hasLoaded(this.request.model);
  }

  start(upstream: Upstream): void {
    void this.ask(upstream);
  }

  moved(position: number): void {
    // Between attempts it is not told to wait again: it goes first.
    if (this.attempt > 0) return;
    const one = this.durations.of(this.request.model);
    const slots = this.candidates().reduce((sum, upstream) => sum + upstream.slots, 0);
    const etaMs = one === undefined ? undefined : Math.round((one * position) / Math.max(1, slots));
    this.generation.wait(position, etaMs);
  }

  private async ask(upstream: Upstream): Promise<void> {
    const { generation, request } = this;
    const startedAt = performance.now();
    this.attempt++;
    this.isAsking = true;
    const error = await generation.run(upstream.name, this.attempt, (signal) =>
      upstream.stream(request, { signal, trace: undefined }),
    );
    this.isAsking = false;
    this.lastError = error;
    const pauseMs = error === undefined ? undefined : this.pauseBeforeRetry(error, upstream);
    if (pauseMs === undefined) generation.end(error);
    else setTimeout(() => this.retry(), pauseMs);
    if (generation.state === 'completed') {
      this.durations.add(request.model, performance.now() - startedAt);
    }
    this.admission.release(this, upstream);
  }

  private retry(): void {
    this.failWithoutUpstream();
    if (!this.generation.log.terminal) this.admission.reenter(this);
  }

  /** How long to wait before the next attempt; undefined if there is to be none. */
  private pauseBeforeRetry(error: CastError, upstream: Upstream): number | undefined {
    const { generation } = this;
    const isHopeless = !error.retryable || generation.log.seq > 0 || generation.isStopped;
    if (isHopeless || this.attempt >= MAX_ATTEMPTS) return undefined;
    this.failed.add(upstream);
    if (this.candidates().some((other) => !this.failed.has(other))) return 0;
    const pause = RETRY_PAUSE_MS * 2 ** (this.attempt - 1) * (0.5 + Math.random() / 2);
    const wanted = Math.max(pause, error.retryAfterMs ?? 0);
    return wanted > LONGEST_PAUSE_MS ? undefined : wanted;
  }
}
