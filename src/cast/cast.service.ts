import { HttpService } from '@nestjs/axios';
import { Injectable } from '@nestjs/common';
import { catchError, firstValueFrom, map, type Observable, of, zip } from 'rxjs';
import { z } from 'zod';
import { Config } from '../config.js';
import type { ModelList, Version } from '../protocol.js';
import { exchange, type UpstreamCall } from './exchange.js';
import { JsonDecoder } from './json-decoder.js';
import {
  type CastRequest,
  OLLAMA_TYPES,
  ollamaBody,
  OllamaDecoder,
  ollamaErrorText,
} from './ollama.js';
import type { Part } from './part.js';
import { upstreamError } from './upstream-error.js';

export type { CastRequest, Part };

/** How long a question that costs the upstream nothing (its version, its models) may take. */
const PROBE_TIMEOUT_MS = 5_000;

const versionAnswer = z.object({ version: z.string() });
const tagsAnswer = z.object({
  models: z.array(
    z.object({
      name: z.string(),
      size: z.number().nullish(),
      details: z.object({ context_length: z.number().nullish() }).nullish(),
      capabilities: z.array(z.string()).nullish(),
    }),
  ),
});
const psAnswer = z.object({
  models: z.array(z.object({ name: z.string(), context_length: z.number().nullish() })),
});

/** A server that generates. */
export interface Upstream {
  /** What clients and operators call it; never its address. */
  readonly name: string;
  /** Most requests that may be open at it at one time. */
  readonly slots: number;
}

/** Asks Ollama, over `HttpService` Observables. */
@Injectable()
export class CastService {
  readonly upstreams: readonly Upstream[];

  constructor(
    private readonly http: HttpService,
    private readonly config: Config,
  ) {
    this.upstreams = [{ name: 'ollama', slots: config.MAX_CONCURRENT }];
  }

  /** Upstreams that can serve the model, the best ones first. */
  candidates(_model: string): readonly Upstream[] {
    return this.upstreams;
  }

  /**
   * Streams one answer. See {@link exchange} for when it ends and what an abort does.
   * @returns the parts that each network read brought
   * @throws CastError through the Observable
   */
  stream(_upstream: Upstream, request: CastRequest, signal: AbortSignal): Observable<Part[]> {
    return exchange(
      this.http,
      {
        ...this.call(`/api/${request.endpoint}`),
        method: 'post',
        body: ollamaBody(request, {
          options: this.config.OLLAMA_OPTIONS,
          keepAlive: this.config.OLLAMA_KEEP_ALIVE,
        }),
        decoder: new OllamaDecoder(this.config.MAX_LINE_BYTES),
      },
      signal,
    );
  }

  /** @throws CastError `upstream_unreachable` and the other upstream codes */
  version(): Observable<Version> {
    return this.ask('/api/version', versionAnswer);
  }

  /** @throws CastError `upstream_unreachable` and the other upstream codes */
  models(): Observable<ModelList> {
    // A server that lists its models but not what is loaded is still worth listing.
    const loaded = this.ask('/api/ps', psAnswer).pipe(
      catchError(() => of<z.infer<typeof psAnswer>>({ models: [] })),
    );
    return zip(this.ask('/api/tags', tagsAnswer), loaded).pipe(
      map(([tags, ps]) => ({
        models: tags.models.map((model) => {
          const running = ps.models.find(({ name }) => name === model.name);
          return {
            name: model.name,
            upstream: 'ollama',
            size: model.size ?? null,
            contextLength: running?.context_length ?? model.details?.context_length ?? null,
            capabilities: model.capabilities ?? [],
            loaded: running !== undefined,
          };
        }),
      })),
    );
  }

  /** Whether a generation has a chance: the upstream answers its cheapest question. */
  usable(): Promise<boolean> {
    return firstValueFrom(
      this.version().pipe(
        map(() => true),
        catchError(() => of(false)),
      ),
    );
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

  private call(path: string): Omit<UpstreamCall<never>, 'method' | 'decoder'> {
    return {
      url: this.config.OLLAMA_BASE_URL + path,
      accept: OLLAMA_TYPES,
      refused: (status, body, headers) => upstreamError(status, ollamaErrorText(body), headers),
      connectTimeoutMs: this.config.CONNECT_TIMEOUT_MS,
      firstByteTimeoutMs: this.config.FIRST_BYTE_TIMEOUT_MS,
      idleTimeoutMs: this.config.IDLE_TIMEOUT_MS,
    };
  }
}
