import { HttpService } from '@nestjs/axios';
import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import {
  catchError,
  defer,
  firstValueFrom,
  type Observable,
  of,
  ReplaySubject,
  share,
  throwError,
  timer,
} from 'rxjs';
import { Config } from '../config/config.js';
import { CastError } from '../protocol/errors.js';
import type { ModelList, UpstreamHealth } from '../protocol/answers.js';
import { Cadence, LOOK_MS as LOAD_LOOK_MS } from './cadence.js';
import { beat } from './http/body-pace.js';
import { HttpUpstream } from './http/http-upstream.js';
import type { ModelRequest } from './model-request.js';
import { ollama } from './ollama/dialect.js';
import { openAi } from './openai/dialect.js';
import type { Upstream, UpstreamModel } from './upstream.js';
import { Workload } from './workload.js';

/** How often each upstream is asked for its models, which is also its health check. */
const REFRESH_MS = 10_000;
/** How long whoever asks waits for that; after it, what was known before counts. */
export const LOOK_MS = 1_000;
/** How long the version of an upstream is remembered, in milliseconds: anybody may ask for it. */
const REMEMBERED_MS = 1_000;

/** The upstreams, asked over `HttpService` Observables: which there are, which can serve a model. */
@Injectable()
export class CastService implements OnModuleInit, OnApplicationShutdown {
  /** In the order of the settings. */
  readonly upstreams: readonly Upstream[];
  /** At which answers are read and told. */
  readonly cadence = new Cadence();
  private timer: NodeJS.Timeout | undefined;
  private loadTimer: NodeJS.Timeout | undefined;
  private readonly workload = new Workload();
  private looking: Promise<void> | undefined;
  /** By upstream and name, while it is asked. */
  private readonly describing = new Map<string, Promise<UpstreamModel>>();
  private readonly versionNow = defer(() => this.askVersion()).pipe(
    share({
      connector: () => new ReplaySubject<string>(1),
      resetOnComplete: () => timer(REMEMBERED_MS),
      resetOnError: () => timer(REMEMBERED_MS),
      resetOnRefCountZero: false,
    }),
  );
  private readonly listeners: (() => void)[] = [];

  constructor(http: HttpService, config: Config) {
    const { OLLAMA_BASE_URL, OPENAI_BASE_URL, MAX_CONCURRENT } = config;
    const slots = (at: number, fallback: number): number =>
      MAX_CONCURRENT.length === 1
        ? (MAX_CONCURRENT[0] ?? fallback)
        : (MAX_CONCURRENT[at] ?? fallback);
    const { cadence } = this;
    const common = { http, config, cadence, onPauseOver: (): void => this.tellChange() };
    const ollamas = OLLAMA_BASE_URL.map(
      (baseUrl, at) =>
        new HttpUpstream({
          name: at === 0 ? 'ollama' : `ollama-${at + 1}`,
          slots: slots(at, 1),
          baseUrl,
          dialect: ollama(config),
          defaultModel: config.OLLAMA_MODEL,
          ...common,
        }),
    );
    const others = OPENAI_BASE_URL.map(
      (baseUrl, at) =>
        new HttpUpstream({
          name: at === 0 ? 'openai' : `openai-${at + 1}`,
          slots: slots(ollamas.length + at, 16),
          baseUrl,
          dialect: openAi(config),
          defaultModel: config.OPENAI_MODEL,
          ...common,
        }),
    );
    this.upstreams = [...ollamas, ...others];
  }

  onModuleInit(): void {
    void this.refresh();
    this.timer = setInterval(() => void this.refresh(), REFRESH_MS).unref();
    const look = (): void => this.cadence.look(this.workload.sinceLast(), beat.lateness());
    this.loadTimer = setInterval(look, LOAD_LOOK_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
    clearInterval(this.loadTimer);
  }

  /**
   * Why none of the upstreams that have the model, or none at all where nobody lists it, can do what
   * is asked; undefined where one can.
   */
  refusal(request: ModelRequest): CastError | undefined {
    const serving = this.upstreams.filter((upstream) => upstream.serves(request.model));
    const asked = serving.length > 0 ? serving : this.upstreams;
    const refusals = asked.map((upstream) => upstream.refuses(request));
    return refusals.every((refusal) => refusal !== undefined) ? refusals[0] : undefined;
  }

  /** @throws CastError `invalid_request` for an option that none of the able upstreams has */
  check(request: ModelRequest): void {
    const refusal = this.refusal(request);
    if (refusal !== undefined) throw refusal;
  }

  /**
   * The upstreams that may be asked now: they have the model and know the request's options. Those
   * whose circuit is open are left out while there is another: an open circuit is a preference,
   * never a refusal.
   */
  candidates(request: ModelRequest): readonly Upstream[] {
    const able = this.able(request);
    const healthy = able.filter((upstream) => !upstream.avoids(request.model));
    return healthy.length > 0 ? healthy : able;
  }

  /** The upstream that pulls models: the first that can and is there. Some can, after {@link refusal}. */
  puller(): Upstream {
    const able = this.upstreams.filter(
      (upstream) => upstream.refuses({ endpoint: 'pull', model: '' }) === undefined,
    );
    const upstream = able.find((one) => !one.isAvoided) ?? able[0];
    if (upstream === undefined) throw new CastError('invalid_request');
    return upstream;
  }

  /** Asks every upstream for its models. */
  async refresh(): Promise<void> {
    await Promise.all(this.upstreams.map((upstream) => upstream.refresh()));
    this.tellChange();
  }

  /** @param tell called when an upstream may have come, gone, or may be tried again */
  onChange(tell: () => void): void {
    this.listeners.push(tell);
  }

  /** The version of the first upstream that answers. @throws CastError the first one's error */
  version(): Observable<string> {
    return this.versionNow;
  }

  /** The models of all upstreams that answer. @throws CastError where none does */
  async models(): Promise<ModelList> {
    await this.look();
    const reachable = this.upstreams.filter(({ isReachable }) => isReachable);
    if (reachable.length === 0)
      throw this.upstreams[0]?.lastError ?? new CastError('upstream_unreachable');
    return {
      models: reachable.flatMap(({ name: upstream, models = [] }) =>
        models.map(({ aliases: _aliases, ...model }) => ({ ...model, upstream })),
      ),
    };
  }

  /** A model of {@link models}, with what its upstream tells of it only when asked. */
  described(model: UpstreamModel): Promise<UpstreamModel> {
    const key = JSON.stringify([model.upstream, model.name]);
    // All that ask at one time share one answer.
    const asked = this.describing.get(key);
    if (asked !== undefined) return asked;
    const asking = this.askDescription(model).finally(() => this.describing.delete(key));
    this.describing.set(key, asking);
    return asking;
  }

  /** How each upstream fares, asked anew. */
  async health(): Promise<UpstreamHealth[]> {
    await this.look();
    return this.upstreams.map(({ name, isReachable, isAvoided }) => ({
      name,
      reachable: isReachable,
      circuit: isAvoided ? 'open' : 'closed',
    }));
  }

  /**
   * Those that list the model; else those that may have it; else the only one there is, which knows
   * better than its list.
   */
  private able(request: ModelRequest): readonly Upstream[] {
    const able = this.upstreams.filter((upstream) => upstream.refuses(request) === undefined);
    const sure = able.filter((upstream) => upstream.lists(request.model));
    if (sure.length > 0) return sure;
    const maybe = able.filter((upstream) => upstream.serves(request.model));
    return maybe.length > 0 || this.upstreams.length > 1 ? maybe : able;
  }

  /** Refreshes, but waits only so long: one upstream that hangs must not hide the others. */
  private look(): Promise<void> {
    const patience = new Promise<void>((resolve) => setTimeout(resolve, LOOK_MS).unref());
    // All that ask at one time share one answer.
    this.looking ??= this.refresh().finally(() => (this.looking = undefined));
    return Promise.race([this.looking, patience]);
  }

  private async askDescription(model: UpstreamModel): Promise<UpstreamModel> {
    const upstream = this.upstreams.find(({ name }) => name === model.upstream);
    if (upstream === undefined || model.capabilities.length > 0) return model;
    const { capabilities, maxContextLength } = await firstValueFrom(
      upstream.describe(model.name).pipe(catchError(() => of(model))),
    );
    return {
      ...model,
      capabilities,
      maxContextLength: model.maxContextLength ?? maxContextLength,
    };
  }

  private askVersion(): Observable<string> {
    const [leader, ...others] = this.upstreams;
    if (leader === undefined) return throwError(() => new CastError('upstream_unreachable'));
    return others.reduce(
      (asked, upstream) =>
        asked.pipe(
          catchError((error: unknown) =>
            upstream.version().pipe(catchError(() => throwError(() => error))),
          ),
        ),
      leader.version(),
    );
  }

  private tellChange(): void {
    for (const tell of this.listeners) tell();
  }
}
