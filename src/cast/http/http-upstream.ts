import { createHash } from 'node:crypto';
import type { HttpService } from '@nestjs/axios';
import { firstValueFrom, map, Observable } from 'rxjs';
import type { z } from 'zod';
import type { Config } from '../../config/config.js';
import { asCastError, CastError } from '../../protocol/errors.js';
import { JsonDecoder } from '../decoding/json-decoder.js';
import { ModelIndex } from '../model-index.js';
import type { Cadence } from '../cadence.js';
import type { ModelRequest } from '../model-request.js';
import type { Part } from '../part.js';
import { readError } from '../said-error.js';
import { upstreamError } from '../upstream-error.js';
import {
  type ListedModel,
  type ModelDescription,
  type StreamOptions,
  Upstream,
} from '../upstream.js';
import { Asking } from './asking.js';
import type { Ask, Dialect } from './dialect.js';
import { exchange } from './exchange.js';
import { UpstreamHealth } from './health.js';
import { Settling } from './settling.js';
import type { UpstreamCall } from './upstream-call.js';

/** How long a question that costs the upstream nothing (its version, its models) may take. */
const PROBE_TIMEOUT_MS = 5_000;

export interface HttpUpstreamOptions {
  name: string;
  slots: number;
  baseUrl: string;
  dialect: Dialect;
  /** The operator's model for upstreams of this kind: it is asked for even where no list has it. */
  defaultModel: string | undefined;
  http: HttpService;
  config: Config;
  cadence: Cadence;
  /** Called when it may be tried again. */
  onPauseOver(): void;
}

/** What of a call is its own, and not of the server that it goes to. */
type OwnOfCall<T> = Omit<
  UpstreamCall<T>,
  'url' | 'headers' | 'accept' | 'refused' | 'connectTimeoutMs'
>;

/** A server that is asked over HTTP in one dialect. */
export class HttpUpstream extends Upstream {
  lastError: CastError | undefined = new CastError('upstream_unreachable');
  private index: ModelIndex | undefined;
  private readonly health: UpstreamHealth;
  private refreshing: Promise<void> | undefined;
  /** It has answered a request although its list of models cannot be had. */
  private worksUnlisted = false;
  private readonly settling: Settling;
  /** How many requests are open. */
  private open = 0;

  private readonly ask: Ask = (path, schema, body) => {
    const { http, config } = this.options;
    const call = this.call(path, {
      method: body === undefined ? 'get' : 'post',
      body,
      decoder: new JsonDecoder(schema, config.MAX_LINE_BYTES),
      firstByteTimeoutMs: PROBE_TIMEOUT_MS,
      idleTimeoutMs: PROBE_TIMEOUT_MS,
    });
    return exchange(http, call).pipe(map(([answer]) => answer as z.infer<typeof schema>));
  };

  constructor(private readonly options: HttpUpstreamOptions) {
    super(options.name, options.slots, keyOf(options.baseUrl));
    this.health = new UpstreamHealth(() => options.onPauseOver());
    this.settling = new Settling(options.dialect, this.ask);
  }

  get models(): readonly ListedModel[] | undefined {
    return this.index?.models;
  }

  get isAvoided(): boolean {
    return this.health.isAvoided;
  }

  override avoids(model: string): boolean {
    return this.health.avoids(model);
  }

  serves(model: string): boolean {
    const { index } = this;
    if (index === undefined || model === this.options.defaultModel) return true;
    return index.find(model) !== undefined;
  }

  override lists(model: string): boolean {
    return this.index === undefined || this.index.find(model)?.isSure === true;
  }

  hasLoaded(model: string): boolean {
    return this.index?.find(model)?.model.loaded === true;
  }

  refuses(request: ModelRequest): CastError | undefined {
    return this.options.dialect.refuses(request);
  }

  stream(
    request: ModelRequest,
    { signal, trace, budget, waits = false }: StreamOptions,
  ): Observable<Part[]> {
    const { dialect, http, config, cadence } = this.options;
    return new Observable<Part[]>((out) => {
      this.health.begin(request.model);
      const asking = new Asking(
        http,
        dialect.call(request),
        {
          signal,
          waits,
          firstByteTimeoutMs: config.FIRST_BYTE_TIMEOUT_MS,
          callOf: (asked, firstByteTimeoutMs) =>
            this.call(
              asked.path,
              {
                method: 'post',
                body: asked.body,
                decoder: asked.decoder(),
                firstByteTimeoutMs,
                idleTimeoutMs: config.IDLE_TIMEOUT_MS,
                budget,
              },
              trace,
            ),
          onOver: (error, last) => this.judge(request, error, last),
        },
        out,
      );
      this.open++;
      cadence.answers++;
      asking.begin();
      return () => {
        this.open--;
        cadence.answers--;
        asking.leave();
      };
    });
  }

  override settled({ model }: ModelRequest): Promise<void> {
    return this.settling.wait(model, () => this.open);
  }

  override describe(model: string): Observable<ModelDescription> {
    return this.options.dialect.describe?.(model, this.ask) ?? super.describe(model);
  }

  version(): Observable<string> {
    return this.options.dialect.version(this.ask);
  }

  /** Calls at one time share the answer. */
  refresh(): Promise<void> {
    const { dialect } = this.options;
    this.refreshing ??= firstValueFrom(dialect.models(this.ask))
      .then(
        (models) => {
          this.index = models && new ModelIndex(models, dialect.naming);
          this.cameBack();
        },
        (error: unknown) => this.isUnlisted(asCastError(error)),
      )
      .finally(() => {
        this.refreshing = undefined;
      });
    return this.refreshing;
  }

  /** It has no list for us. Whether it is there is another question. */
  private isUnlisted(error: CastError): void {
    if (error.upstreamStatus === undefined) this.worksUnlisted = false;
    if (this.worksUnlisted || this.answersWithout(error)) return this.cameBack();
    this.lastError = error;
    this.health.fellSilent(error);
  }

  /** Whether a refused list shows that the server is there, and that its list is not needed. */
  private answersWithout({ code, upstreamStatus: status = 0 }: CastError): boolean {
    if (status === 403 || status === 429) return true;
    const isRefusal = (status >= 400 && status < 500) || status === 501;
    return this.options.dialect.listIsOptional && isRefusal && code !== 'upstream_unauthorized';
  }

  /** A list is no proof that it generates: it takes back only what a missing one said. */
  private cameBack(): void {
    if (this.lastError !== undefined) this.health.cameBack();
    this.lastError = undefined;
  }

  /** What the end of an answer says of the upstream. */
  private judge(request: ModelRequest, error: unknown, last: Part | undefined): void {
    if (error instanceof CastError) return this.health.fail(request, error);
    if (error !== undefined) return;
    this.health.succeed(request.model);
    if (last?.type === 'done') this.settling.learn(request.model, last.statistics);
    if (this.lastError?.upstreamStatus === undefined) return;
    this.worksUnlisted = true;
    this.lastError = undefined;
  }

  private call<T>(path: string, own: OwnOfCall<T>, trace?: string): UpstreamCall<T> {
    const { config, dialect, baseUrl } = this.options;
    return {
      url: baseUrl + path,
      headers: Object.assign({}, dialect.headers, trace !== undefined && { traceparent: trace }),
      accept: dialect.accept,
      refused: (status, body, headers) => {
        const { message, labels } = readError(body);
        return upstreamError(status, `${message} ${labels}`.trim(), headers, message);
      },
      connectTimeoutMs: config.CONNECT_TIMEOUT_MS,
      ...own,
    };
  }
}

/** Says nothing of the address, and is the same on every node. */
function keyOf(baseUrl: string): string {
  return createHash('sha256').update(baseUrl).digest('base64url').slice(0, 12);
}
