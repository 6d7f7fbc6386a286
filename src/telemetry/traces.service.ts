import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Config } from '../config/config.js';
import { Lifecycle } from '../generations/lifecycle.js';
import { KnownModels } from './known-models.js';
import type { Exporter } from './traces/exporter.js';

/** Has traces made where there is a collector. */
@Injectable()
export class TracesService implements OnModuleInit, OnApplicationShutdown {
  private exporter: Exporter | undefined;

  constructor(
    private readonly lifecycle: Lifecycle,
    private readonly models: KnownModels,
    private readonly config: Config,
  ) {}

  async onModuleInit(): Promise<void> {
    const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SERVICE_NAME: name } = this.config;
    if (endpoint === undefined) return;
    const [{ startExporter }, { Traces }] = await Promise.all([
      import('./traces/exporter.js'),
      import('./traces/traces.js'),
    ]);
    this.exporter = startExporter(endpoint, name);
    this.lifecycle.listen(new Traces(this.exporter.tracer, this.models));
  }

  async onApplicationShutdown(): Promise<void> {
    await this.exporter?.close();
  }
}
