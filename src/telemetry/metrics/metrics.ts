import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Lifecycle } from '../../generations/lifecycle.js';
import type { KnownModels } from '../known-models.js';
import { defineEvents, defineStates } from './definitions.js';
import { Recorder } from './recorder.js';
import { sample, type Sources } from './sampler.js';

/** All metrics of this process. This file is loaded only where they are wanted. */
export class Metrics {
  private readonly registry = new Registry();
  private readonly states = defineStates(this.registry);

  constructor(
    lifecycle: Lifecycle,
    models: KnownModels,
    private readonly sources: Sources,
  ) {
    lifecycle.listen(new Recorder(defineEvents(this.registry), models));
    // Event loop, heap, CPU, open files, garbage collection.
    collectDefaultMetrics({ register: this.registry });
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** In the text format of Prometheus. */
  async text(): Promise<string> {
    await sample(this.states, this.sources);
    return this.registry.metrics();
  }
}
