import { randomBytes } from 'node:crypto';
import {
  type BeforeApplicationShutdown,
  Injectable,
  Logger,
  type OnModuleInit,
} from '@nestjs/common';
import { CastService } from '../cast/cast.service.js';
import type { ModelRequest } from '../cast/model-request.js';
import { Config } from '../config/config.js';
import { CastError } from '../protocol/errors.js';
import type { QueueView } from '../protocol/answers.js';
import type { Accepted } from './accepted.js';
import { Admission } from './line/admission.js';
import { type Asked, checkModel, decide, sizeOf } from './asked.js';
import { Durations } from './line/durations.js';
import { Generation, type GenerationOptions } from './generation.js';
import { IdempotencyKeys } from './idempotency.js';
import { KeptGenerations } from './kept-generations.js';
import { reportOf } from './report.js';
import { Run } from './run.js';

export type { Asked };

/** Silent generations are told again at the second tick: at most 14 s after the last word. */
const REASSURE_MS = 7_000;
/** A pull may take hours; its upstream's silence ends it earlier. */
const PULL_TIMEOUT_MS = 86_400_000;
/** Most pulls at a time. */
const MAX_PULLS = 4;
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
  idempotencyKey?: string | undefined;
  /** For the log: the HTTP request that asked. */
  requestId?: string | undefined;
}

/** A generation that has not ended: what was asked, by whom, and its way to an upstream. */
interface Active {
  request: ModelRequest;
  caller: Caller;
  /** A pull needs no line. */
  run?: Run;
}

/** Starts generations, with all decisions on model, options and limits; finds and drains them. */
@Injectable()
export class GenerationsService implements OnModuleInit, BeforeApplicationShutdown {
  private readonly logger = new Logger('Generations');
  private readonly kept: KeptGenerations;
  private readonly active = new Map<Generation, Active>();
  private readonly admission: Admission;
  private readonly keys = new IdempotencyKeys();
  private readonly durations = new Durations();
  private reassuring: NodeJS.Timeout | undefined;
  private draining = false;

  constructor(
    private readonly cast: CastService,
    private readonly config: Config,
  ) {
    // At one moment, so that no key is known whose generation has just been forgotten.
    this.kept = new KeptGenerations(config, (id) => this.keys.forget(id));
    this.admission = new Admission(cast.upstreams, {
      maxQueue: config.MAX_QUEUE,
      maxConcurrentPerUser: config.MAX_CONCURRENT_PER_USER,
      maxQueuePerUser: config.MAX_QUEUE_PER_USER,
    });
  }

  onModuleInit(): void {
    this.reassuring = setInterval(() => {
      for (const generation of this.active.keys()) generation.reassure();
    }, REASSURE_MS).unref();
    this.cast.onChange(() => {
      for (const { run } of this.active.values()) run?.failWithoutUpstream();
      this.admission.dispatch();
    });
  }

  /** False once the server goes down. */
  get accepting(): boolean {
    return !this.draining;
  }

  /**
   * Starts what is asked, or puts it in line.
   * @throws CastError `shutting_down`, `forbidden`, `payload_too_large`, `invalid_request`,
   * `queue_full`, `rate_limited`, `idempotency_conflict`; `generation_not_found` for a known key whose
   * log had to make room
   */
  start(asked: Asked, caller: Caller): Accepted {
    return this.once(asked, caller, () => {
      const request = decide(asked, this.config);
      this.checkUpstreams(request);
      this.checkRoom(request, caller);
      const generation = this.create(request, caller, {
        keep: asked.onDisconnect === 'keep',
        timeoutMs: this.config.GENERATION_TIMEOUT_MS,
      });
      const { cast, admission, durations } = this;
      const run = new Run(caller.turn, generation, request, cast, admission, durations);
      this.active.set(generation, { request, caller, run });
      run.begin();
      return generation;
    });
  }

  /**
   * Has an Ollama pull a model. Takes no slot: it needs the network, not the GPU.
   * @throws CastError `forbidden` where the operator does not allow it; else like {@link start}
   */
  pull(model: string, caller: Caller): Accepted {
    if (!this.config.ALLOW_PULL) {
      throw new CastError('forbidden', { message: 'Pulling models is not allowed here.' });
    }
    const request: ModelRequest = { endpoint: 'pull', model };
    return this.once(request, caller, () => {
      checkModel(model, this.config);
      this.checkUpstreams(request);
      const pulls = [...this.active.values()].filter(({ run }) => run === undefined).length;
      if (this.kept.isFull || pulls >= MAX_PULLS) throw this.comeBack('queue_full', model);
      const generation = this.create(request, caller, { keep: false, timeoutMs: PULL_TIMEOUT_MS });
      this.active.set(generation, { request, caller });
      const upstream = this.cast.puller();
      void generation
        .run(upstream.name, 1, (signal) => upstream.stream(request, { signal, trace: undefined }))
        .then((error) => generation.end(error));
      return generation;
    });
  }

  /** @throws CastError `generation_not_found` */
  get(id: string): Generation {
    return this.kept.get(id);
  }

  /**
   * A generation as somebody at a socket may see it: one of another user is not there.
   * @throws CastError `generation_not_found`
   */
  getFor(user: string | undefined, id: string): Generation {
    const generation = this.kept.get(id);
    if (generation.user === undefined || generation.user === user) return generation;
    throw new CastError('generation_not_found');
  }

  /** The generations of a user that have not ended; none of nobody. */
  activeOf(user: string | undefined): Generation[] {
    if (user === undefined) return [];
    return [...this.active.keys()].filter((generation) => generation.user === user);
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
    const active = [...this.active.keys()];
    for (const generation of active) {
      if (generation.state === 'queued') void generation.interrupt();
    }
    const ended = Promise.all(active.map((generation) => generation.ended));
    await within(this.config.DRAIN_MS, ended);
    await Promise.all(active.map((generation) => generation.interrupt()));
    const deadline = performance.now() + LAST_RECORDS_MS;
    while (this.kept.hasReadersBehind && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, LAST_RECORDS_POLL_MS));
    }
    clearInterval(this.reassuring);
  }

  /** Begins what is asked, unless its idempotency key stands for it already. */
  private once(
    asked: unknown,
    { idempotencyKey: key, user }: Caller,
    begin: () => Generation,
  ): Accepted {
    // A retry gets its generation whatever the limits are by now.
    const known = key === undefined ? undefined : this.keys.find(key, user, asked);
    if (known !== undefined) return { generation: this.kept.get(known), deduplicated: true };

    if (this.draining) throw new CastError('shutting_down');
    const generation = begin();
    if (key !== undefined) this.keys.remember(key, user, asked, generation.id);
    return { generation, deduplicated: false };
  }

  private create(
    request: ModelRequest,
    caller: Caller,
    options: Pick<GenerationOptions, 'keep' | 'timeoutMs'>,
  ): Generation {
    const { config, kept } = this;
    const generation = new Generation({
      // 128 random bits: whoever knows the id may read the answer.
      id: randomBytes(16).toString('base64url'),
      endpoint: request.endpoint,
      model: request.model,
      user: caller.user,
      maxOutputBytes: config.MAX_OUTPUT_BYTES,
      queueTimeoutMs: config.QUEUE_TIMEOUT_MS,
      abandonAfterMs: config.ABANDON_AFTER_MS,
      onGrow: (bytes) => kept.grow(bytes),
      onEnd: (ended) => this.onEnd(ended),
      ...options,
    });
    kept.add(generation);
    kept.grow(sizeOf(request));
    return generation;
  }

  /** From here on nothing holds the request any more: it may be large. */
  private onEnd(generation: Generation): void {
    const active = this.active.get(generation);
    this.active.delete(generation);
    this.kept.end(generation, active?.caller.idempotencyKey !== undefined);
    if (active === undefined) return;
    this.kept.grow(-sizeOf(active.request));
    if (active.run !== undefined) this.admission.leave(active.run);
    try {
      this.report(generation, active);
    } catch (error) {
      // A line of the log must not decide how a generation ends.
      this.logger.error(error);
    }
  }

  private report(generation: Generation, { request, caller }: Active): void {
    const { OPENAI_API_KEY: key } = this.config;
    const line = reportOf(generation, request, caller.requestId, key);
    if (generation.failure === undefined) this.logger.log('generation ended', line);
    else this.logger.warn('generation failed', line);
  }

  /** @throws CastError `invalid_request` for an option that none of the able upstreams has */
  private checkUpstreams(request: ModelRequest): void {
    const refusal = this.cast.refusal(request);
    if (refusal !== undefined) throw refusal;
  }

  /** @throws CastError `queue_full`, `rate_limited`, with advice when to try again */
  private checkRoom(request: ModelRequest, { turn }: Caller): void {
    const code = this.kept.isFull
      ? 'queue_full'
      : this.admission.refuses({
          user: turn,
          candidates: () => this.cast.candidates(request),
          prefers: () => false,
        });
    if (code !== undefined) throw this.comeBack(code, request.model);
  }

  /** A refusal with advice when to try again: after about one turn of that model. */
  private comeBack(code: 'queue_full' | 'rate_limited', model: string): CastError {
    const oneTurn = this.durations.of(model) ?? MIN_RETRY_AFTER_MS;
    const retryAfterMs = Math.min(Math.max(oneTurn, MIN_RETRY_AFTER_MS), MAX_RETRY_AFTER_MS);
    return new CastError(code, { retryAfterMs: Math.round(retryAfterMs) });
  }
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([work, timeout]);
  clearTimeout(timer);
}
