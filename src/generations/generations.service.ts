import { randomBytes } from 'node:crypto';
import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { type CastRequest, CastService } from '../cast/cast.service.js';
import { Config } from '../config.js';
import { CastError } from '../errors.js';
import type { ChatRequest, GenerateRequest } from '../protocol.js';
import { Generation } from './generation.js';
import { redact } from './redact.js';

/** How long, after the drain, readers may take to fetch their last records. */
const LAST_RECORDS_MS = 2_000;
/** How often it is looked whether they have. */
const LAST_RECORDS_POLL_MS = 10;

/** Starts generations, with all decisions on model, options and limits; finds, cancels, drains. */
@Injectable()
export class GenerationsService implements BeforeApplicationShutdown {
  private readonly logger = new Logger('Generations');
  private readonly generations = new Map<string, Generation>();
  private readonly running = new Set<Generation>();
  private draining = false;

  constructor(
    private readonly cast: CastService,
    private readonly config: Config,
  ) {}

  /** False once the server goes down. */
  get accepting(): boolean {
    return !this.draining;
  }

  /** @throws CastError `shutting_down`, `forbidden`, `payload_too_large` */
  generate(request: GenerateRequest): Generation {
    return this.start({ ...request, endpoint: 'generate', model: this.model(request.model) });
  }

  /** @throws CastError `shutting_down`, `forbidden`, `payload_too_large` */
  chat(request: ChatRequest): Generation {
    return this.start({ ...request, endpoint: 'chat', model: this.model(request.model) });
  }

  /** @throws CastError `generation_not_found` */
  get(id: string): Generation {
    const generation = this.generations.get(id);
    if (generation === undefined) throw new CastError('generation_not_found');
    return generation;
  }

  /**
   * Stops a generation.
   * @returns it, once its upstream request is over and its terminal record is written
   * @throws CastError `generation_not_found`
   */
  async cancel(id: string): Promise<Generation> {
    const generation = this.get(id);
    await generation.cancel();
    return generation;
  }

  /**
   * Takes nothing new, lets what runs go on for `DRAIN_MS`, interrupts the rest and gives readers
   * the time to fetch their last records.
   */
  async beforeApplicationShutdown(): Promise<void> {
    this.draining = true;
    const running = [...this.running];
    const all = Promise.all(running.map((generation) => generation.ended));
    await within(this.config.DRAIN_MS, all);
    await Promise.all(running.map((generation) => generation.interrupt()));
    const deadline = performance.now() + LAST_RECORDS_MS;
    while (
      running.some((generation) => generation.log.hasReadersBehind) &&
      performance.now() < deadline
    ) {
      await new Promise((resolve) => setTimeout(resolve, LAST_RECORDS_POLL_MS));
    }
  }

  private start(request: CastRequest): Generation {
    if (this.draining) throw new CastError('shutting_down');
    this.checkLength(request);
    const generation = new Generation({
      // 128 random bits: whoever knows the id may read the answer.
      id: randomBytes(16).toString('base64url'),
      endpoint: request.endpoint,
      model: request.model,
      maxOutputBytes: this.config.MAX_OUTPUT_BYTES,
      timeoutMs: this.config.GENERATION_TIMEOUT_MS,
    });
    this.generations.set(generation.id, generation);
    this.running.add(generation);
    void generation.ended.then(() => this.ended(generation, request));
    generation.run((signal) => this.cast.stream(request, signal));
    return generation;
  }

  private ended(generation: Generation, request: CastRequest): void {
    this.running.delete(generation);
    const { id, model, state, failure } = generation;
    if (failure === undefined) this.logger.log(`${id} ${model} ${state}`);
    else {
      const cause = failure.cause instanceof Error ? failure.cause.message : '';
      this.logger.warn(`${id} ${model} ${state} ${failure.code} ${redact(cause, texts(request))}`);
    }
    setTimeout(() => this.generations.delete(id), this.config.RETAIN_MS).unref();
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
