import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { CastService } from '../cast/cast.service.js';
import { Config } from '../config/config.js';
import { isLoopback } from '../config/loopback.js';
import { Gauges } from '../generations/gauges.js';
import { GenerationsService } from '../generations/generations.service.js';
import { Lifecycle } from '../generations/lifecycle.js';
import { GenerationStore } from '../generations/store/generation-store.js';
import { isKnownHost } from '../http/hosts.js';
import { KnownModels } from './known-models.js';
import type { Metrics } from './metrics/metrics.js';

/** Has metrics made where the operator wants them, and serves them on a port of their own if there is one. */
@Injectable()
export class MetricsService implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('Metrics');
  private metrics: Metrics | undefined;
  private server: Server | undefined;

  constructor(
    private readonly lifecycle: Lifecycle,
    private readonly models: KnownModels,
    private readonly cast: CastService,
    private readonly generations: GenerationsService,
    private readonly store: GenerationStore,
    private readonly gauges: Gauges,
    private readonly config: Config,
  ) {}

  /** The metrics, where they are asked for on the port of REST. */
  get onRest(): Metrics | undefined {
    return this.config.METRICS_PORT === undefined ? this.metrics : undefined;
  }

  async onModuleInit(): Promise<void> {
    const { METRICS, METRICS_PORT, REDIS_URL } = this.config;
    if (!METRICS && METRICS_PORT === undefined) return;
    const { Metrics } = await import('./metrics/metrics.js');
    const { lifecycle, models, cast, generations, store, gauges } = this;
    const sources = { cast, generations, store, gauges };
    this.metrics = new Metrics(lifecycle, models, sources, REDIS_URL !== undefined);
  }

  async onApplicationBootstrap(): Promise<void> {
    const { metrics } = this;
    const { HOST, METRICS_PORT } = this.config;
    if (metrics === undefined || METRICS_PORT === undefined) return;
    const server = createServer((request, response) => {
      // Elsewhere Prometheus may ask by any name. What others cannot reach, a page could by rebinding DNS.
      const isKnown = !isLoopback(HOST) || isKnownHost(request.headers.host ?? '', this.config);
      if (isKnown) void answer(request, response, metrics);
      else response.writeHead(403).end();
    });
    server.maxConnections = this.config.MAX_CONNECTIONS;
    this.server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(METRICS_PORT, HOST, resolve);
    });
    const { port } = server.address() as AddressInfo;
    this.logger.log(`metrics on port ${port}, /metrics`);
  }

  onApplicationShutdown(): void {
    this.server?.close();
    this.server?.closeAllConnections();
  }
}

async function answer(
  { method, url }: IncomingMessage,
  response: ServerResponse,
  metrics: Metrics,
): Promise<void> {
  if (method === 'GET' && url === '/metrics') {
    const text = await metrics.text();
    response.writeHead(200, { 'Content-Type': metrics.contentType }).end(text);
  } else response.writeHead(404).end();
}
