import type { ModelRequest } from '../cast/model-request.js';
import { textsOf } from './asked.js';
import type { Generation } from './generation.js';
import { redact } from './redact.js';

/** A text of the request shorter than this is redacted also where it stands alone. */
const SHORT_CHARS = 16;

/**
 * What the log says of an ended generation, on one line. What the upstream said of a failure is
 * redacted: it may quote.
 * @param requestId the HTTP request that asked, if one did
 * @param apiKey what no line may hold either
 */
export function reportOf(
  generation: Generation,
  request: ModelRequest,
  requestId: string | undefined,
  apiKey = '',
): Record<string, unknown> {
  const { id, model, status, failure, usage } = generation;
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
    requestId,
    said:
      failure?.cause instanceof Error
        ? redact(failure.cause.message, [...secretsOf(generation, request), apiKey])
        : undefined,
  };
  return Object.fromEntries(
    Object.entries(line).filter(([, value]) => value !== undefined && value !== null),
  );
}

/** What was asked and answered. */
function secretsOf({ log }: Generation, request: ModelRequest): string[] {
  // The model's name is no secret, and images are no text.
  const { model: _model, ...fields } = request;
  const said = JSON.stringify(fields, (name, value) => (name === 'images' ? undefined : value));
  // Short texts are looked for as a whole; all of them stand in the JSON too.
  const short = textsOf(request).filter((text) => text.length < SHORT_CHARS);
  return [...short, said, log.all('text'), log.all('thinking')];
}
