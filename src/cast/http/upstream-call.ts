import type { IncomingHttpHeaders } from 'node:http';
import type { CastError } from '../../protocol/errors.js';
import type { Decoder } from '../decoding/decoder.js';
import type { EventBudget } from '../event-budget.js';

/** One request to an upstream, and how its answer is read. */
export interface UpstreamCall<T> {
  method: 'get' | 'post';
  url: string;
  headers?: Record<string, string>;
  /** Sent as JSON. */
  body?: unknown;
  decoder: Decoder<T>;
  /** Media types of a good answer, without parameters. */
  accept: readonly string[];
  /** Turns an answer that is not 2xx into an error. */
  refused(status: number, body: string, headers: IncomingHttpHeaders): CastError;
  connectTimeoutMs: number;
  /** Longest time until the first byte of the body. */
  firstByteTimeoutMs: number;
  /** Longest time between two reads of the body. */
  idleTimeoutMs: number;
  /** Of the answer, where its body is a stream of many small pieces: it says how often that is read. */
  budget?: EventBudget | undefined;
}
