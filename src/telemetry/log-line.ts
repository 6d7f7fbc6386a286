import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Config } from '../config/config.js';
import { textsOf } from '../generations/asked.js';
import { type Life, Lifecycle, type LifecycleListener } from '../generations/lifecycle.js';
import type { EndEntry } from '../generations/log/entry.js';
import { redact } from '../generations/redact.js';
import type { CastError } from '../protocol/errors.js';

/** A text of the request shorter than this, in characters, is redacted also where it stands alone. */
const SHORT_CHARS = 16;

/** Writes one line of the log for each generation that has ended. */
@Injectable()
export class LogLine implements LifecycleListener, OnModuleInit {
  private readonly logger = new Logger('Generations');

  constructor(
    private readonly lifecycle: Lifecycle,
    private readonly config: Config,
  ) {}

  onModuleInit(): void {
    this.lifecycle.listen(this);
  }

  ended(life: Life, _end: EndEntry, failure: CastError | undefined): void {
    const line = lineOf(life, failure, this.config.OPENAI_API_KEY);
    if (failure === undefined) this.logger.log('generation ended', line);
    else this.logger.warn('generation failed', line);
  }
}

/**
 * What the log says of an ended generation. What the upstream said of a failure is redacted: it may
 * quote.
 * @param apiKey what no line may hold either
 */
function lineOf(life: Life, failure: CastError | undefined, apiKey = ''): Record<string, unknown> {
  const { generation, caller } = life;
  const { id, model, status, usage } = generation;
  const timings = generation.timings();
  const line = {
    id,
    model,
    upstream: status.upstream,
    state: status.state,
    code: failure?.code,
    promptTokens: usage?.promptTokens,
    completionTokens: usage?.completionTokens,
    queuedMs: timings.queuedMs,
    firstTokenMs: timings.firstTokenMs,
    totalMs: timings.totalMs,
    attempt: status.attempt,
    requestId: caller.requestId,
    said:
      failure?.cause instanceof Error
        ? redact(failure.cause.message, [...secretsOf(life), apiKey])
        : undefined,
  };
  return Object.fromEntries(
    Object.entries(line).filter(([, value]) => value !== undefined && value !== null),
  );
}

/** What was asked and answered. */
function secretsOf({ generation: { log }, request }: Life): string[] {
  // The model's name is no secret, and images are no text.
  const { model: _model, ...fields } = request;
  const said = JSON.stringify(fields, (name, value) => (name === 'images' ? undefined : value));
  // Short texts are looked for as a whole; all of them stand in the JSON too.
  const short = textsOf(request).filter((text) => text.length < SHORT_CHARS);
  return [...short, said, log.all('text'), log.all('thinking')];
}
