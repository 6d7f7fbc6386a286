import type { Observable } from 'rxjs';
import type { z } from 'zod';
import type { CastError } from '../../protocol/errors.js';
import type { Decoder } from '../decoding/decoder.js';
import type { Naming } from '../model-index.js';
import type { ModelRequest } from '../model-request.js';
import type { Part } from '../part.js';
import type { ListedModel, ModelDescription } from '../upstream.js';

/** Asks a question that costs the upstream nothing, by POST where it has a body; the answer is one JSON value. */
export type Ask = <T>(path: string, schema: z.ZodType<T>, body?: unknown) => Observable<T>;

/** One request in a dialect. */
export interface DialectCall {
  path: string;
  /** Sent as JSON. */
  body: unknown;
  /** Reads one answer to it. */
  decoder(): Decoder<Part>;
  /** Another way to ask the same, where a refusal names what is in the way of this one. */
  otherwise?(said: string): DialectCall | undefined;
  /** The server answers this one: what was learned on the way is remembered. */
  accepted?(): void;
}

/** What differs between kinds of upstream: one request and one mapping each. */
export interface Dialect {
  /** Media types of a good answer, without parameters. */
  readonly accept: readonly string[];
  /** Sent with every request to the base URL, and nowhere else. */
  readonly headers: Record<string, string>;
  readonly naming: Naming;
  /** A server may be of this kind although it does not list its models. */
  readonly listIsOptional: boolean;
  /** Where the server tells which of its slots are busy, if it does. */
  readonly slotsPath?: (model: string) => string;
  /** Tokens of a prompt that the server reads without looking up. */
  readonly batchTokens: number;
  /** Why it cannot do what is asked: it has no counterpart here; undefined where all of it has. */
  refuses(request: ModelRequest): CastError | undefined;
  /** Only for what it does not refuse. */
  call(request: ModelRequest): DialectCall;
  /** Undefined where the server answers with something that is no list. */
  models(ask: Ask): Observable<ListedModel[] | undefined>;
  /** What its list may leave out of a model, where the server tells it. */
  describe?(model: string, ask: Ask): Observable<ModelDescription>;
  version(ask: Ask): Observable<string>;
}
