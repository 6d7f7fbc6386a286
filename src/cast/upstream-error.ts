import type { IncomingHttpHeaders } from 'node:http';
import { CastError, type CastErrorOptions } from '../protocol/errors.js';

const OUT_OF_MEMORY =
  /out.of.(device )?memory|cudaMalloc failed|hipMalloc failed|failed to allocate|allocation failed|not enough memory|insufficient memory/i;
const CONTEXT =
  /context (length|size|window)|exceeds? the (available )?context|prompt is (too long|longer)/i;
const MODEL_MISSING =
  /model ['"`].{0,300}?['"`] (not found|does not exist)|model_not_found|pull model manifest: file does not exist/is;
const CAPABILITY = /does not support (chat|generate|thinking|tools|insert|images?|vision)\b/i;
/** Ollama says these with 500 although no retry can help; llama.cpp says 501. */
const WRONG_REQUEST = /must be of type|invalid format/i;

/** Most characters of a text that are looked at: servers say early what is wrong. */
const TEXT_CHARS = 4_000;
/** Longest pause that is passed on. */
const ONE_DAY_MS = 86_400_000;
/** RFC 9110, section 5.6.7. */
const HTTP_DATE = /^[A-Z][a-z]{2,8}, .* GMT$/;

/**
 * Names what an upstream said went wrong. Total: every status and text has a code. The text itself
 * stays in `cause`, for the log: it may hold addresses, keys, paths or the prompt.
 * @param status HTTP status, or undefined for an error inside a 200 stream
 */
export function upstreamError(
  status: number | undefined,
  said: string,
  headers: IncomingHttpHeaders = {},
): CastError {
  const text = said.slice(0, TEXT_CHARS);
  const options: CastErrorOptions = { cause: new Error(`${status ?? 'in the stream'}: ${text}`) };
  const retryAfterMs = retryAfter(headers['retry-after']);
  if (retryAfterMs !== undefined) options.retryAfterMs = retryAfterMs;

  if (MODEL_MISSING.test(text) && !isServerError(status)) {
    return new CastError('model_not_found', options);
  }
  switch (status) {
    case 401:
      return new CastError('upstream_unauthorized', options);
    case 403:
      return new CastError('upstream_forbidden', options);
    case 404:
      return new CastError('upstream_not_found', options);
    case 408:
    case 504:
      return new CastError('upstream_timeout', options);
    case 402:
      return new CastError('upstream_quota_exceeded', options);
    case 429:
      return /quota|billing/i.test(text)
        ? new CastError('upstream_quota_exceeded', options)
        : new CastError('upstream_rate_limited', options);
    case 503:
      return /loading/i.test(text)
        ? new CastError('upstream_loading', options)
        : new CastError('upstream_busy', options);
    default:
  }
  if (OUT_OF_MEMORY.test(text)) return new CastError('upstream_out_of_memory', options);
  if (CONTEXT.test(text)) return new CastError('context_overflow', options);
  if (status !== undefined && !isServerError(status)) {
    const missing = CAPABILITY.exec(text)?.[1];
    if (missing !== undefined) options.message = `The model does not support ${missing}.`;
    return new CastError('upstream_rejected', options);
  }
  if (status === 501 || WRONG_REQUEST.test(text)) options.retryable = false;
  return new CastError('upstream_error', options);
}

function isServerError(status: number | undefined): boolean {
  return status !== undefined && status >= 500;
}

/** `Retry-After` in either of its forms (RFC 9110, section 10.2.3), in milliseconds. */
function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Math.min(Number(value) * 1000, ONE_DAY_MS);
  const at = HTTP_DATE.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.min(Math.max(0, at - Date.now()), ONE_DAY_MS);
}
