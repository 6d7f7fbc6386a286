import { randomBytes } from 'node:crypto';
import {
  type BeforeApplicationShutdown,
  Injectable,
  Logger,
  type OnModuleInit,
} from '@nestjs/common';
import { type CastRequest, CastService, type Upstream } from '../cast/cast.service.js';
import { Config } from '../config.js';
import { CastError } from '../errors.js';
import type { ChatFields, GenerateFields, QueueView } from '../protocol.js';
import { Admission, type Ticket } from './admission.js';
import { Durations } from './durations.js';
import { LOG_BYTES } from './generation-log.js';
import { Generation } from './generation.js';
import { IdempotencyKeys } from './idempotency.js';
import { redact } from './redact.js';

/** Silent generations are told again at the second tick: at most 14 s after the last word. */
const REASSURE_MS = 7_000;
/** How long, after the drain, readers may take to fetch their last records. */
const LAST_RECORDS_MS = 2_000;
/** How often it is looked whether they have. */
const LAST_RECORDS_POLL_MS = 10;

/** Bounds of the advice when to try again. */
const MIN_RETRY_AFTER_MS = 1_000;
const MAX_RETRY_AFTER_MS = 60_000;

/** Who asks, as far as it matters here. */
export interface Caller {
  /** Whose the generation will be, where that is known. */
  user: string | undefined;
  /** Whose turn it takes in the line. */
  turn: string;
  idempotencyKey: string | undefined;
}

/** What is asked for, and on which endpoint. */
export type Asked =
  ({ endpoint: 'generate' } & GenerateFields) | ({ endpoint: 'chat' } & ChatFields);

/** A generation that was asked for: a new one, or the one an idempotency key stands for. */
export interface Accepted {
  generation: Generation;
  deduplicated: boolean;
}

/** Starts generations, with all decisions on model, options and limits; finds, cancels, drains. */
@Injectable()
export class GenerationsService implements OnModuleInit, BeforeApplicationShutdown {
  private readonly logger = new Logger('Generations');
  private readonly generations = new Map<string, Generation>();
  private readonly active = new Set<Generation>();
  /** Those that have ended, in that order. */
  private readonly kept = new Set<Generation>();
  private readonly admission: Admission;
  private readonly keys: IdempotencyKeys;
  private readonly durations = new Durations();
  private reassuring: NodeJS.Timeout | undefined;
  private logBytes = 0;
  private draining = false;

  constructor(
    private readonly cast: CastService,
    private readonly config: Config,
  ) {
    this.admission = new Admission({
      maxQueue: config.MAX_QUEUE,
      maxConcurrentPerUser: config.MAX_CONCURRENT_PER_USER,
      maxQueuePerUser: config.MAX_QUEUE_PER_USER,
    });
    this.keys = new IdempotencyKeys(config.RETAIN_MS);
  }

  onModuleInit(): void {
    this.reassuring = setInterval(() => {
      for (const generation of this.active) generation.reassure();
    }, REASSURE_MS).unref();
  }

  /** False once the server goes down. */
  get accepting(): boolean {
    return !this.draining;
  }

  /**
   * Starts what is asked, or puts it in line.
   * @throws CastError `shutting_down`, `forbidden`, `payload_too_large`, `queue_full`,
   * `rate_limited`, `idempotency_conflict`
   */
  start(asked: Asked, caller: Caller): Accepted {
    const { idempotencyKey: key, user } = caller;
    // A retry gets its generation whatever the limits are by now.
    const known = key === undefined ? undefined : this.keys.find(key, user, asked);
    if (known !== undefined) return { generation: known, deduplicated: true };

    if (this.draining) throw new CastError('shutting_down');
    const { onDisconnect, ...fields } = asked;
    const request: CastRequest = { ...fields, model: this.model(asked.model) };
    this.checkLength(request);
    const generation = this.admit(request, onDisconnect === 'keep', caller);
    if (key !== undefined) this.keys.remember(key, user, asked, generation);
    return { generation, deduplicated: false };
  }

  /** @throws CastError `generation_not_found` */
  get(id: string): Generation {
    const generation = this.generations.get(id);
    if (generation === undefined) {
      throw new CastError('generation_not_found');
    }
    return generation;
  }

  /**
   * A generation as somebody at a socket may see it: one of another user is not there.
   * @throws CastError `generation_not_found`
   */
  getFor(user: string | undefined, id: string): Generation {
    const generation = this.get(id);
    if (generation.user === undefined || generation.user === user) return generation;
    throw new CastError('generation_not_found');
  }

  /** The generations of a user that have not ended; none of nobody. */
  activeOf(user: string | undefined): Generation[] {
    if (user === undefined) return [];
    return [...this.active].filter((generation) => generation.user === user);
  }

  /** How many run and wait. */
  queue(): QueueView {
    const { admission } = this;
    return {
      waiting: admission.waiting,
      maxWaiting: this.config.MAX_QUEUE,
      upstreams: this.cast.upstreams.map((upstream) => ({
        name: upstream.name,
        running: admission.running(upstream),
        slots: upstream.slots,
        waiting: admission.waitingFor(upstream),
      })),
    };
  }

  /**
   * Takes nothing new, ends what waits, lets what runs go on for `DRAIN_MS`, interrupts the rest and
   * gives readers the time to fetch their last records.
   */
  async beforeApplicationShutdown(): Promise<void> {
    this.draining = true;
    const active = [...this.active];
    for (const generation of active) {
      if (generation.state === 'queued') void generation.interrupt();
    }
    const ended = Promise.all(active.map((generation) => generation.ended));
    await within(this.config.DRAIN_MS, ended);
    await Promise.all(active.map((generation) => generation.interrupt()));
    const deadline = performance.now() + LAST_RECORDS_MS;
    while (
      active.some((generation) => generation.log.hasReadersBehind) &&
      performance.now() < deadline
    ) {
      await new Promise((resolve) => setTimeout(resolve, LAST_RECORDS_POLL_MS));
    }
    clearInterval(this.reassuring);
  }

  private admit(request: CastRequest, keep: boolean, { user, turn }: Caller): Generation {
    const { config } = this;
    const ticket: Ticket = {
      user: turn,
      candidates: () => this.cast.candidates(request.model),
      start: (upstream) => void this.serve(generation, request, ticket, upstream),
      moved: (position) => generation.wait(position, this.eta(request.model, position)),
    };
    this.checkRoom(ticket, request.model);
    const generation: Generation = new Generation({
      // 128 random bits: whoever knows the id may read the answer.
      id: randomBytes(16).toString('base64url'),
      endpoint: request.endpoint,
      model: request.model,
      user,
      keep,
      maxOutputBytes: config.MAX_OUTPUT_BYTES,
      queueTimeoutMs: config.QUEUE_TIMEOUT_MS,
      timeoutMs: config.GENERATION_TIMEOUT_MS,
      abandonAfterMs: config.ABANDON_AFTER_MS,
      onGrow: (bytes) => this.grow(bytes),
      onEnd: () => {
        this.admission.leave(ticket);
        this.ended(generation, request);
      },
    });
    this.generations.set(generation.id, generation);
    this.active.add(generation);
    this.grow(LOG_BYTES);
    const position = this.admission.enter(ticket);
    if (position > 0) ticket.moved(position);
    return generation;
  }

  /** The generation has a slot: asks the upstream, and gives the slot back when that is over. */
  private async serve(
    generation: Generation,
    request: CastRequest,
    ticket: Ticket,
    upstream: Upstream,
  ): Promise<void> {
    const startedAt = performance.now();
    const error = await generation.run((signal) => this.cast.stream(upstream, request, signal));
    generation.end(error);
    if (generation.state === 'completed') {
      this.durations.add(request.model, performance.now() - startedAt);
    }
    this.admission.release(ticket, upstream);
  }

  private ended(generation: Generation, request: CastRequest): void {
    const { id, model, state, failure } = generation;
    this.active.delete(generation);
    this.kept.add(generation);
    this.makeRoom();
    setTimeout(() => this.forget(generation), this.config.RETAIN_MS).unref();
    if (failure === undefined) this.logger.log(`${id} ${model} ${state}`);
    else {
      const cause = failure.cause instanceof Error ? failure.cause.message : '';
      this.logger.warn(`${id} ${model} ${state} ${failure.code} ${redact(cause, texts(request))}`);
    }
  }

  private grow(bytes: number): void {
    this.logBytes += bytes;
    if (this.logBytes > this.config.MAX_LOG_BYTES) this.makeRoom();
  }

  /** Forgets ended generations, the oldest first, until all kept logs fit into their memory. */
  private makeRoom(): void {
    for (const generation of this.kept) {
      if (this.logBytes <= this.config.MAX_LOG_BYTES) return;
      this.forget(generation);
    }
  }

  private forget(generation: Generation): void {
    if (!this.kept.delete(generation)) return;
    this.generations.delete(generation.id);
    this.logBytes -= LOG_BYTES + generation.log.size;
  }

  private checkRoom(ticket: Ticket, model: string): void {
    // What no ended log can make room for is full.
    const code =
      this.logBytes > this.config.MAX_LOG_BYTES ? 'queue_full' : this.admission.refuses(ticket);
    if (code === undefined) return;
    const oneTurn = this.durations.of(model) ?? MIN_RETRY_AFTER_MS;
    const retryAfterMs = Math.min(Math.max(oneTurn, MIN_RETRY_AFTER_MS), MAX_RETRY_AFTER_MS);
    throw new CastError(code, { retryAfterMs: Math.round(retryAfterMs) });
  }

  /** A guess from recent durations of that model; none before the first. */
  private eta(model: string, position: number): number | undefined {
    const one = this.durations.of(model);
    const slots = this.cast.candidates(model).reduce((sum, upstream) => sum + upstream.slots, 0);
    return one === undefined || slots === 0 ? undefined : Math.round((one * position) / slots);
  }

  private model(asked: string | undefined): string {
    const { ALLOWED_MODELS: allowed, OLLAMA_MODEL: fallback } = this.config;
    if (asked === undefined) return fallback;
    if (allowed.length > 0 && !allowed.includes(asked)) {
      throw new CastError('forbidden', {
        message: 'This model is not allowed here.',
        details: [{ path: 'model', message: `one of ${allowed.join(', ')}` }],
      });
    }
    return asked;
  }

  private checkLength(request: CastRequest): void {
    const most = this.config.MAX_PROMPT_CHARS;
    const chars = texts(request).reduce((sum, text) => sum + text.length, 0);
    if (chars > most) {
      throw new CastError('payload_too_large', {
        message: `The request has more than ${most} characters of text.`,
      });
    }
  }
}

/** What the caller wrote. */
function texts(request: CastRequest): string[] {
  return request.endpoint === 'chat'
    ? request.messages.flatMap(({ content, thinking }) => [content, thinking ?? ''])
    : [request.prompt, request.system ?? '', request.suffix ?? ''];
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([work, timeout]);
  clearTimeout(timer);
}
