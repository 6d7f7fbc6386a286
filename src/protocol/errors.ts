import { z } from 'zod';
import type { Refusal } from './refusal.js';

/** The closed list of error codes. What each one means stands in {@link ERRORS}. */
export const errorCode = z
  .enum([
    'invalid_request',
    'unauthorized',
    'auth_expired',
    'forbidden',
    'client_not_found',
    'generation_not_found',
    'not_found',
    'method_not_allowed',
    'idempotency_conflict',
    'payload_too_large',
    'unsupported_media_type',
    'rate_limited',
    'quota_exceeded',
    'queue_full',
    'shutting_down',
    'internal',
    'upstream_unreachable',
    'upstream_rejected',
    'upstream_unauthorized',
    'upstream_forbidden',
    'upstream_not_found',
    'model_not_found',
    'context_overflow',
    'upstream_rate_limited',
    'upstream_quota_exceeded',
    'upstream_busy',
    'upstream_loading',
    'upstream_error',
    'upstream_out_of_memory',
    'upstream_timeout',
    'first_byte_timeout',
    'idle_timeout',
    'generation_timeout',
    'upstream_truncated',
    'upstream_protocol_error',
    'line_too_long',
    'bad_content_type',
    'tool_call_incomplete',
    'output_too_large',
    'queue_timeout',
    'node_shutdown',
    'node_lost',
    'store_unavailable',
  ])
  .meta({ id: 'ErrorCode', description: 'A closed list.', examples: ['queue_full'] });
export type ErrorCode = z.infer<typeof errorCode>;

/**
 * What each code means to a client: the HTTP status where it refuses a request, whether the same
 * request may succeed later, and a sentence that holds nothing of the upstream or of the request.
 * A code keeps its meaning for ever.
 */
export const ERRORS: Readonly<
  Record<ErrorCode, { status: number; retryable: boolean; message: string }>
> = {
  invalid_request: { status: 400, retryable: false, message: 'The request is not well-formed.' },
  unauthorized: {
    status: 401,
    retryable: false,
    message: 'A valid API key or token is needed.',
  },
  auth_expired: { status: 401, retryable: false, message: 'The token has expired.' },
  forbidden: { status: 403, retryable: false, message: 'This is not allowed here.' },
  client_not_found: {
    status: 404,
    retryable: false,
    message: 'No Socket.IO client with this clientId is connected.',
  },
  generation_not_found: {
    status: 404,
    retryable: false,
    message: 'There is no such generation, or it is no longer kept.',
  },
  not_found: { status: 404, retryable: false, message: 'There is nothing at this address.' },
  method_not_allowed: {
    status: 405,
    retryable: false,
    message: 'This address takes other methods; see Allow.',
  },
  idempotency_conflict: {
    status: 409,
    retryable: false,
    message: 'This idempotency key was used for another request.',
  },
  payload_too_large: { status: 413, retryable: false, message: 'The request is too large.' },
  unsupported_media_type: {
    status: 415,
    retryable: false,
    message: 'The body must be JSON in UTF-8, sent as application/json.',
  },
  rate_limited: {
    status: 429,
    retryable: true,
    message: 'You have as many requests waiting as you may.',
  },
  quota_exceeded: {
    status: 429,
    retryable: true,
    message: 'The tokens of this day are used up.',
  },
  queue_full: { status: 503, retryable: true, message: 'The waiting line is full.' },
  shutting_down: { status: 503, retryable: true, message: 'The server is shutting down.' },
  internal: { status: 500, retryable: false, message: 'The server made a mistake.' },
  upstream_unreachable: {
    status: 503,
    retryable: true,
    message: 'The model server cannot be reached.',
  },
  upstream_rejected: {
    status: 502,
    retryable: false,
    message: 'The model server refused the request.',
  },
  upstream_unauthorized: {
    status: 502,
    retryable: false,
    message: "The model server did not accept llm-cast's credentials.",
  },
  upstream_forbidden: {
    status: 502,
    retryable: false,
    message: 'The model server does not allow this.',
  },
  upstream_not_found: {
    status: 502,
    retryable: false,
    message: 'The model server does not know this address; is it the right kind of server?',
  },
  model_not_found: { status: 404, retryable: false, message: 'The model is not installed.' },
  context_overflow: {
    status: 400,
    retryable: false,
    message: "The request is longer than the model's context.",
  },
  upstream_rate_limited: {
    status: 503,
    retryable: true,
    message: 'The model server limits the rate of requests.',
  },
  upstream_quota_exceeded: {
    status: 502,
    retryable: false,
    message: 'The quota at the model server is used up.',
  },
  upstream_busy: { status: 503, retryable: true, message: 'The model server is busy.' },
  upstream_loading: {
    status: 503,
    retryable: true,
    message: 'The model server is still loading the model.',
  },
  upstream_error: { status: 502, retryable: true, message: 'The model server failed.' },
  upstream_out_of_memory: {
    status: 502,
    retryable: true,
    message: 'The model server ran out of memory.',
  },
  upstream_timeout: {
    status: 504,
    retryable: false,
    message: 'A server in front of the model took too long.',
  },
  first_byte_timeout: {
    status: 504,
    retryable: false,
    message: 'The model server did not begin to answer in time.',
  },
  idle_timeout: {
    status: 504,
    retryable: false,
    message: 'The model server fell silent in the middle of the answer.',
  },
  generation_timeout: {
    status: 504,
    retryable: false,
    message: 'The generation took longer than is allowed here.',
  },
  upstream_truncated: {
    status: 502,
    retryable: true,
    message: 'The answer ended before it was complete.',
  },
  upstream_protocol_error: {
    status: 502,
    retryable: false,
    message: 'The model server sent something that is not its protocol.',
  },
  line_too_long: {
    status: 502,
    retryable: false,
    message: 'The model server sent a line that is too long.',
  },
  bad_content_type: {
    status: 502,
    retryable: false,
    message: 'The model server answered with another content type than its protocol has.',
  },
  tool_call_incomplete: {
    status: 502,
    retryable: false,
    message: 'The answer ended inside a tool call.',
  },
  output_too_large: {
    status: 502,
    retryable: false,
    message: 'The answer is longer than is allowed here.',
  },
  queue_timeout: {
    status: 503,
    retryable: true,
    message: 'The request waited too long for its turn.',
  },
  node_shutdown: { status: 503, retryable: true, message: 'The server was shut down.' },
  node_lost: {
    status: 503,
    retryable: true,
    message: 'The server that gave this answer was lost.',
  },
  store_unavailable: {
    status: 503,
    retryable: true,
    message: 'The servers cannot reach what they share; try again in a moment.',
  },
};

export interface CastErrorOptions {
  /** For clients, instead of the code's own sentence. Never upstream text, addresses or prompts. */
  message?: string;
  /** Where one case differs from its code's rule. */
  retryable?: boolean;
  retryAfterMs?: number;
  details?: Refusal['details'];
  /** Why the upstream refused, in its words. They may quote, so clients see them only redacted. */
  said?: string;
  /** The HTTP status of the upstream's refusal. */
  upstreamStatus?: number;
  /** For the log only. */
  cause?: unknown;
}

/** The one error that carries a code of the contract. Everything else is a mistake of ours. */
export class CastError extends Error {
  override readonly name = 'CastError';
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly details: Refusal['details'];
  readonly said: string | undefined;
  readonly upstreamStatus: number | undefined;

  constructor(
    readonly code: ErrorCode,
    options: CastErrorOptions = {},
  ) {
    super(options.message ?? ERRORS[code].message, { cause: options.cause });
    this.retryable = options.retryable ?? ERRORS[code].retryable;
    this.retryAfterMs = options.retryAfterMs;
    this.details = options.details;
    this.said = options.said;
    this.upstreamStatus = options.upstreamStatus;
  }

  refusal(): Refusal {
    return {
      code: this.code,
      message: this.message,
      retryable: this.retryable,
      ...(this.retryAfterMs !== undefined && { retryAfterMs: this.retryAfterMs }),
      ...(this.details !== undefined && { details: this.details }),
    };
  }
}

/** The error itself where it has a code; else a mistake of ours, with it as the cause. */
export function asCastError(error: unknown): CastError {
  return error instanceof CastError ? error : new CastError('internal', { cause: error });
}
