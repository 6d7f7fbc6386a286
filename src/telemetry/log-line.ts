import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Config } from '../config/config.js';
import { upstreamSecrets } from '../config/upstream-secrets.js';
import { type Life, Lifecycle, type LifecycleListener } from '../generations/lifecycle.js';
import type { EndEntry } from '../generations/log/entry.js';
import { privateTextsOf } from '../generations/private-texts.js';
import { redactCause } from '../generations/redact.js';
import type { CastError } from '../protocol/errors.js';

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
    const line = lineOf(life, failure, () => upstreamSecrets(this.config));
    if (failure === undefined) this.logger.log('generation ended', line);
    else this.logger.warn('generation failed', line);
  }
}

/**
 * What the log says of an ended generation. What the upstream said of a failure is redacted: it may
 * quote.
 * @param secrets gives what no line may hold either; asked only where a failure is quoted
 */
function lineOf(
  life: Life,
  failure: CastError | undefined,
  secrets: () => readonly string[],
): Record<string, unknown> {
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
    // The second field of a `traceparent`.
    traceId: life.trace?.split('-')[1],
    said:
      failure?.cause instanceof Error
        ? redactCause(failure.cause, () => [...privateTextsOf(life), ...secrets()])
        : undefined,
  };
  return Object.fromEntries(
    Object.entries(line).filter(([, value]) => value !== undefined && value !== null),
  );
}
