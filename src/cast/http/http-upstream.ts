import type { HttpService } from '@nestjs/axios';
import { firstValueFrom, map, type Observable } from 'rxjs';
import type { z } from 'zod';
import type { Config } from '../../config/config.js';
import { CastError, type ErrorCode } from '../../protocol/errors.js';
import { Circuit } from '../circuit.js';
import { JsonDecoder } from '../decoding/json-decoder.js';
import type { ModelRequest } from '../model-request.js';
import type { Part } from '../part.js';
import { readError } from '../said-error.js';
import { upstreamError } from '../upstream-error.js';
import { type ListedModel, type StreamOptions, Upstream } from '../upstream.js';
import type { Dialect } from './dialect.js';
import { exchange } from './exchange.js';
import type { UpstreamCall } from './upstream-call.js';

/** How long a question that costs the upstream nothing (its version, its models) may take. */
const PROBE_TIMEOUT_MS = 5_000;

/** Errors that say nothing good of the upstream's health, and whether once is enough. */
const UNHEALTHY: Partial<Record<ErrorCode, boolean>> = {
  upstream_unreachable: true,
  upstream_error: false,
  upstream_out_of_memory: false,
  upstream_timeout: false,
  upstream_truncated: false,
  upstream_protocol_error: false,
  bad_content_type: false,
  upstream_not_found: false,
};

/** A server that is asked over HTTP in one dialect. */
export class HttpUpstream extends Upstream {
  models: readonly ListedModel[] | undefined;
  lastError: CastError | undefined = new CastError('upstream_unreachable');
  private readonly circuit: Circuit;
  private refreshing: Promise<void> | undefined;

  constructor(
    name: string,
    slots: number,
    private readonly baseUrl: string,
    private readonly dialect: Dialect,
    private readonly http: HttpService,
    private readonly config: Config,
    /** Called when it may be tried again. */
    onPauseOver: () => void,
  ) {
    super(name, slots);
    this.circuit = new Circuit(onPauseOver);
  }

  get isAvoided(): boolean {
    return this.circuit.isOpen;
  }

  serves(model: string): boolean {
    return this.models === undefined || this.find(model) !== undefined;
  }

  hasLoaded(model: string): boolean {
    return this.find(model)?.loaded === true;
  }

  refuses(request: ModelRequest): CastError | undefined {
    return this.dialect.refuses(request);
  }

  stream(request: ModelRequest, { signal, trace }: StreamOptions): Observable<Part[]> {
    const { path, body, decoder } = this.dialect.call(request);
    this.circuit.begin();
    const call: UpstreamCall<Part> = {
      ...this.call(path),
      method: 'post',
      body,
      decoder,
      // Not `tap`, which each read would pass through.
      onOver: (error) => this.judge(error),
    };
    if (trace !== undefined) call.headers = { ...call.headers, traceparent: trace };
    return exchange(this.http, call, signal);
  }

  version(): Observable<string> {
    return this.dialect.version((path, schema) => this.ask(path, schema));
  }

  /** Calls at one time share the answer. */
  refresh(): Promise<void> {
    this.refreshing ??= firstValueFrom(
      this.dialect.models((path, schema) => this.ask(path, schema)),
    )
      .then(
        (models) => {
          this.models = models;
          // A list is no proof that it generates: it takes back only what a missing one said.
          if (this.lastError !== undefined) this.circuit.succeed();
          this.lastError = undefined;
        },
        (error: unknown) => {
          this.lastError = error instanceof CastError ? error : new CastError('internal');
          this.circuit.fail(UNHEALTHY[this.lastError.code] === true);
        },
      )
      .finally(() => {
        this.refreshing = undefined;
      });
    return this.refreshing;
  }

  private find(model: string): ListedModel | undefined {
    const wanted = this.dialect.canonical(model);
    return this.models?.find(({ name }) => this.dialect.canonical(name) === wanted);
  }

  private ask<T>(path: string, schema: z.ZodType<T>): Observable<T> {
    return exchange(this.http, {
      ...this.call(path),
      method: 'get',
      decoder: new JsonDecoder(schema, this.config.MAX_LINE_BYTES),
      firstByteTimeoutMs: PROBE_TIMEOUT_MS,
      idleTimeoutMs: PROBE_TIMEOUT_MS,
    }).pipe(map(([answer]) => answer as T));
  }

  /** What the end of an answer says of the upstream's health. */
  private judge(error: unknown): void {
    if (error === undefined) this.circuit.succeed();
    if (!(error instanceof CastError)) return;
    const certain = UNHEALTHY[error.code];
    // A request that no retry can help is the caller's fault.
    const isCaller = error.code === 'upstream_error' && !error.retryable;
    if (certain !== undefined && !isCaller) this.circuit.fail(certain);
  }

  private call(path: string): Omit<UpstreamCall<never>, 'method' | 'decoder'> {
    const { config, dialect } = this;
    return {
      url: this.baseUrl + path,
      headers: dialect.headers,
      accept: dialect.accept,
      refused: (status, body, headers) => {
        const { message, labels } = readError(body);
        return upstreamError(status, `${message} ${labels}`.trim(), headers, message);
      },
      connectTimeoutMs: config.CONNECT_TIMEOUT_MS,
      firstByteTimeoutMs: config.FIRST_BYTE_TIMEOUT_MS,
      idleTimeoutMs: config.IDLE_TIMEOUT_MS,
    };
  }
}
