import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  HttpException,
  Logger,
  StandardSchemaValidationPipe,
} from '@nestjs/common';
import type { Response } from 'express';
import type { Socket } from 'socket.io';
import type { ErrorCode, Refusal } from './protocol.js';

/**
 * What each code means to a client: the HTTP status where it refuses a request, whether the same
 * request may succeed later, and a sentence that holds nothing of the upstream or of the request.
 * A code keeps its meaning for ever.
 */
export const ERRORS: Readonly<
  Record<ErrorCode, { status: number; retryable: boolean; message: string }>
> = {
  invalid_request: { status: 400, retryable: false, message: 'The request is not well-formed.' },
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
};

/** Most fields of a request that one refusal names. */
const MAX_DETAILS = 10;
/** Most characters of one detail: an unknown field's name is the caller's own text. */
const MAX_DETAIL_CHARS = 200;

export interface CastErrorOptions {
  /** For clients, instead of the code's own sentence. Never upstream text, addresses or prompts. */
  message?: string;
  /** Where one case differs from its code's rule. */
  retryable?: boolean;
  retryAfterMs?: number;
  details?: Refusal['details'];
  /** For the log only. */
  cause?: unknown;
}

/** The one error that carries a code of the contract. Everything else is a mistake of ours. */
export class CastError extends Error {
  override readonly name = 'CastError';
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly details: Refusal['details'];

  constructor(
    readonly code: ErrorCode,
    options: CastErrorOptions = {},
  ) {
    super(options.message ?? ERRORS[code].message, { cause: options.cause });
    this.retryable = options.retryable ?? ERRORS[code].retryable;
    this.retryAfterMs = options.retryAfterMs;
    this.details = options.details;
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

/** The schema sees a request as it came: Nest would drop `constructor` and the like unsaid. */
class SchemaValidationPipe extends StandardSchemaValidationPipe {
  protected override stripProtoKeys(): void {}
}

/** Checks a request against the schema at its parameter; wrong input is `invalid_request`. */
export const validation = new SchemaValidationPipe({
  exceptionFactory: (issues) =>
    new CastError('invalid_request', {
      details: issues.slice(0, MAX_DETAILS).map((issue) => ({
        path: (issue.path ?? [])
          .map((part) => String(typeof part === 'object' ? part.key : part))
          .join('.')
          .slice(0, MAX_DETAIL_CHARS),
        message: issue.message.slice(0, MAX_DETAIL_CHARS),
      })),
    }),
});

const byStatus: Readonly<Record<number, ErrorCode>> = {
  404: 'not_found',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
};

/**
 * Nest's and the body parser's errors under our codes. Their own messages are dropped: a JSON
 * syntax error quotes the body, which is the prompt.
 */
function toCastError(error: unknown, logger: Logger): CastError {
  if (error instanceof CastError) return error;
  const status =
    error instanceof HttpException
      ? error.getStatus()
      : (error as { statusCode?: unknown } | null)?.statusCode;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new CastError(byStatus[status] ?? 'invalid_request');
  }
  logger.error(error instanceof Error ? (error.stack ?? error.message) : 'something was thrown');
  return new CastError('internal');
}

/** Answers every refused HTTP request with the contract's one shape. */
@Catch()
export class HttpErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger('Http');

  catch(error: unknown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<Response>();
    const refused = toCastError(error, this.logger);
    const { status } = ERRORS[refused.code];
    if (response.headersSent) return void response.destroy();
    if (refused.retryAfterMs !== undefined) {
      response.setHeader('Retry-After', Math.ceil(refused.retryAfterMs / 1000));
    }
    const requestId = response.getHeader('x-request-id');
    response.status(status).json({ statusCode: status, ...refused.refusal(), requestId });
  }
}

/** Answers every refused socket request through its ack, or as `exception` where it has none. */
@Catch()
export class SocketErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger('Socket');

  catch(error: unknown, host: ArgumentsHost): void {
    const [socket, , ack] = host.getArgs<[Socket, unknown, unknown]>();
    const refused = toCastError(error, this.logger).refusal();
    if (typeof ack === 'function') ack({ ok: false, error: refused });
    else socket.emit('exception', refused);
  }
}
