import type { Response } from 'express';
import type { CancelReason, End } from '../generations/log/entry.js';
import { CastError, type ErrorCode, ERRORS } from '../protocol/errors.js';
import type { Refusal } from '../protocol/refusal.js';

/**
 * Of a cancelled answer. The SDKs of OpenAI and the AI SDK repeat a request after 409, LangChain after
 * every other status that would fit: none of them after this one.
 */
const CANCELLED_STATUS = 400;

/** Why there is no answer, or no whole one: what every door says in a shape of its own. */
export interface Refused {
  /** The HTTP status, where nothing was said before. */
  readonly status: number;
  readonly code: ErrorCode | 'cancelled';
  /** A sentence for people. */
  readonly message: string;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  /** Earliest sensible time for the next try, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** Which fields of the request are wrong. */
  readonly details?: Refusal['details'];
}

/** A request that was refused. */
export function refusedBy(error: CastError): Refused {
  const { code, message, retryable, retryAfterMs, details } = error;
  return { status: ERRORS[code].status, code, message, retryable, retryAfterMs, details };
}

/** Why, in sentences, with the fields that are wrong. */
export function sentenceOf({ message, details = [] }: Refused): string {
  const fields = details.map(({ path, message }) => `${path || 'the body'}: ${message}`);
  return [message, ...fields].join(' ');
}

const CANCELLED: Readonly<Record<CancelReason, string>> = {
  client: 'The answer was cancelled.',
  abandoned: 'The answer was cancelled: nobody read it any more.',
  admin: 'The answer was cancelled by the operator.',
};

/** How a generation ended that has no whole answer; undefined where it has one. */
export function refusedByEnd(end: Exclude<End, { state: 'completed' }>): Refused;
export function refusedByEnd(end: End): Refused | undefined;
export function refusedByEnd(end: End): Refused | undefined {
  switch (end.state) {
    case 'completed':
      return undefined;
    case 'cancelled': {
      const message = CANCELLED[end.reason];
      return { status: CANCELLED_STATUS, code: 'cancelled', message, retryable: false };
    }
    case 'failed':
    case 'interrupted': {
      const { code, detail: message, retryable, retryAfterMs } = end;
      return { status: ERRORS[code].status, code, message, retryable, retryAfterMs };
    }
    default:
      return end satisfies never;
  }
}

/**
 * Sets the headers that go with a refusal. The SDKs of OpenAI heed `x-should-retry`: they would
 * otherwise repeat each request whose status is 409, 429 or 5xx.
 */
export function setRefusalHeaders(response: Response, { retryable, retryAfterMs }: Refused): void {
  response.setHeader('x-should-retry', String(retryable));
  if (retryAfterMs !== undefined) {
    response.setHeader('Retry-After', Math.ceil(retryAfterMs / 1000));
  }
}

/** Answers with a refusal whose body is in a door's shape. */
export function answerRefused(response: Response, refused: Refused, body: object | string): void {
  setRefusalHeaders(response, refused);
  response.status(refused.status).setHeader('Cache-Control', 'no-store');
  const isText = typeof body === 'string';
  response.type(isText ? 'text/plain' : 'application/json');
  response.send(isText ? body : JSON.stringify(body));
}

/** A field that the door does not serve, by its name. */
export function notServed(path: string, message: string): CastError {
  return new CastError('invalid_request', { details: [{ path, message }] });
}
