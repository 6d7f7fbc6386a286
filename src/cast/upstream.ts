import { type Observable, of } from 'rxjs';
import type { ModelList } from '../protocol/answers.js';
import type { CastError } from '../protocol/errors.js';
import type { EventBudget } from './event-budget.js';
import type { ModelRequest } from './model-request.js';
import type { Part } from './part.js';
import type { StopSignal } from './stop-signal.js';

/** A model, and the upstream that has it. */
export type UpstreamModel = ModelList['models'][number];

/** A model as its own upstream lists it. */
export interface ListedModel extends Omit<UpstreamModel, 'upstream'> {
  /** Other names that it answers to. */
  aliases: readonly string[];
}

/** What a model can do, and how much it can read; empty and null where nobody knows. */
export type ModelDescription = Pick<ListedModel, 'capabilities' | 'maxContextLength'>;

export interface StreamOptions {
  /** Ends the upstream request; the stream then fails with its reason. */
  signal: StopSignal;
  /** The W3C `traceparent` under which the upstream's work is to stand, if there is one. */
  trace: string | undefined;
  /** How many events may come of the answer; undefined where nobody counts them. */
  budget?: EventBudget;
  /**
   * Whether to wait as long as the server says that it is loading the model; otherwise the stream
   * fails with `upstream_loading` at once, so that another upstream may be asked.
   */
  waits?: boolean;
}

/** One server that generates: what it has, how it fares, and how it is asked. */
export abstract class Upstream {
  /** The models it listed last; undefined until it did, or where it has no list. */
  abstract readonly models: readonly ListedModel[] | undefined;
  /** Why it did not list its models the last time it was asked; undefined if it did. */
  abstract readonly lastError: CastError | undefined;
  /** Whether it failed lately as a whole: requests had better go elsewhere. */
  abstract readonly isAvoided: boolean;

  constructor(
    /** What clients and operators call it; never its address. */
    readonly name: string,
    /** Most requests that may be open at it at one time. */
    readonly slots: number,
    /** The same on every node that asks this server; says nothing of its address. */
    readonly key: string,
  ) {}

  /** Whether it answered the last time it was asked for its models. */
  get isReachable(): boolean {
    return this.lastError === undefined;
  }

  /**
   * Whether it may be asked for the model: it is listed, maybe in another spelling or by a wildcard,
   * or it is the operator's own model for this upstream, or the list is unknown.
   */
  abstract serves(model: string): boolean;

  /** Whether it serves the model for sure: under this very name, or its list is unknown. */
  lists(model: string): boolean {
    return this.serves(model);
  }

  /** Whether requests for this model had better go elsewhere for now. */
  avoids(_model: string): boolean {
    return this.isAvoided;
  }

  abstract hasLoaded(model: string): boolean;

  /** Why this kind of upstream cannot do what is asked; undefined if it can. */
  abstract refuses(request: ModelRequest): CastError | undefined;

  /**
   * Streams one answer. It ends only when the upstream request is over.
   * @returns the parts that each network read brought
   * @throws CastError through the Observable
   */
  abstract stream(request: ModelRequest, options: StreamOptions): Observable<Part[]>;

  /**
   * To be called when a stream was aborted before its first part: the server may not have noticed.
   * @returns when it has stopped working on that request, as far as it can tell; within a minute
   */
  settled(_request: ModelRequest): Promise<void> {
    return Promise.resolve();
  }

  /** Asks what its list may leave out of a model. @throws CastError through the Observable */
  describe(_model: string): Observable<ModelDescription> {
    return of({ capabilities: [], maxContextLength: null });
  }

  /** @throws CastError `upstream_unreachable` and the other upstream codes */
  abstract version(): Observable<string>;

  /** Asks for the models, which also tells whether it is there. Never rejects. */
  abstract refresh(): Promise<void>;
}
