import type { Observable } from 'rxjs';
import type { z } from 'zod';
import type { CastError } from '../../protocol/errors.js';
import type { ModelRequest } from '../model-request.js';
import type { Part } from '../part.js';
import type { ListedModel } from '../upstream.js';
import type { UpstreamCall } from './upstream-call.js';

/** Asks a question that costs the upstream nothing; the answer is one JSON object. */
export type Ask = <T>(path: string, schema: z.ZodType<T>) => Observable<T>;

/** What differs between kinds of upstream: one request and one mapping each. */
export interface Dialect {
  /** Media types of a good answer, without parameters. */
  readonly accept: readonly string[];
  /** Sent with every request to the base URL, and nowhere else. */
  readonly headers: Record<string, string>;
  /** `invalid_request` for what has no counterpart here; undefined where all of it has. */
  refuses(request: ModelRequest): CastError | undefined;
  /** Only for what it does not refuse. */
  call(request: ModelRequest): Pick<UpstreamCall<Part>, 'body' | 'decoder'> & { path: string };
  /** Undefined where the server has no list. */
  models(ask: Ask): Observable<ListedModel[] | undefined>;
  version(ask: Ask): Observable<string>;
  /** The name under which two spellings of a model are the same. */
  canonical(model: string): string;
}
