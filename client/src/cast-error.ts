import type { ErrorCode, Refusal } from './protocol.js';

/** What only a client can find out. */
export type ClientErrorCode =
  /** Cancelled before anything was sent. */
  | 'aborted'
  /** You left the stream, or closed the connection. */
  | 'closed'
  /** REST did not answer. */
  | 'unreachable'
  /** The connection broke each time that the request was sent. */
  | 'unanswered'
  /** What arrived is not what was sent; `stream.text` holds the best that there is. */
  | 'text_damaged';

/** What an app's own function has thrown, whatever that is. */
export const asError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error(String(thrown));

/** The one error of this package. Go by `code`; `message` is for people. */
export class CastError extends Error {
  override readonly name = 'CastError';
  declare readonly code: ErrorCode | ClientErrorCode;
  /** Whether the same request may succeed later, and when at the earliest. */
  declare readonly retryable: boolean;
  declare readonly retryAfterMs: number | undefined;
  /** Which fields of the request are wrong, and why. */
  declare readonly details: Refusal['details'];

  constructor(
    {
      code,
      message,
      retryable,
      retryAfterMs,
      details,
    }: Omit<Refusal, 'code'> & {
      code: ErrorCode | ClientErrorCode;
    },
    cause?: unknown,
  ) {
    super(message, { cause });
    this.code = code;
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
    this.details = details;
  }
}

/** What the same request would end with again. */
export function final(code: CastError['code'], message: string): CastError {
  return new CastError({ code, message, retryable: false });
}

export function unreachable(message: string, cause?: unknown): CastError {
  return new CastError({ code: 'unreachable', message, retryable: true }, cause);
}
