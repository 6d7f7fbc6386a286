import type { Observable } from 'rxjs';
import type { ModelList } from '../protocol/answers.js';
import type { CastError } from '../protocol/errors.js';
import type { ModelRequest } from './model-request.js';
import type { Part } from './part.js';

/** A model as its own upstream lists it. */
export type ListedModel = Omit<ModelList['models'][number], 'upstream'>;

export interface StreamOptions {
  /** Its abort ends the upstream request; the stream then fails with its reason. */
  signal: AbortSignal;
  /** The W3C `traceparent` under which the upstream's work is to stand, if there is one. */
  trace: string | undefined;
}

/** One server that generates: what it has, how it fares, and how it is asked. */
export abstract class Upstream {
  /** The models it listed last; undefined until it did, or where it has no list. */
  abstract readonly models: readonly ListedModel[] | undefined;
  /** Why it did not list its models the last time it was asked; undefined if it did. */
  abstract readonly lastError: CastError | undefined;
  /** Whether requests had better go elsewhere for now. */
  abstract readonly isAvoided: boolean;

  constructor(
    /** What clients and operators call it; never its address. */
    readonly name: string,
    /** Most requests that may be open at it at one time. */
    readonly slots: number,
  ) {}

  /** Whether it answered the last time it was asked for its models. */
  get isReachable(): boolean {
    return this.lastError === undefined;
  }

  /** Whether it has the model; one whose list is unknown counts as having it. */
  abstract serves(model: string): boolean;

  abstract hasLoaded(model: string): boolean;

  /** Why this kind of upstream cannot do what is asked; undefined if it can. */
  abstract refuses(request: ModelRequest): CastError | undefined;

  /**
   * Streams one answer. It ends only when the upstream request is over.
   * @returns the parts that each network read brought
   * @throws CastError through the Observable
   */
  abstract stream(request: ModelRequest, options: StreamOptions): Observable<Part[]>;

  /** @throws CastError `upstream_unreachable` and the other upstream codes */
  abstract version(): Observable<string>;

  /** Asks for the models, which also tells whether it is there. Never rejects. */
  abstract refresh(): Promise<void>;
}
