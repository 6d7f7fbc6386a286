import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Lifecycle } from '../../generations/lifecycle.js';
import type { KnownModels } from '../known-models.js';
import { ClusterRecorder } from './cluster-recorder.js';
import { defineCluster, defineEvents, defineStates } from './definitions.js';
import { Recorder } from './recorder.js';
import { sample, type Sources } from './sampler.js';

/**
 * How often the delay of the event loop is looked at, in milliseconds; part of each value that is told.
 * The usual 10 take 2 to 3 % of the CPU of a token.
 */
const EVENT_LOOP_MS = 100;

/** All metrics of this process. This file is loaded only where they are wanted. */
export class Metrics {
  private readonly registry = new Registry();
  private readonly states = defineStates(this.registry);
  private readonly cluster: ClusterRecorder | undefined;

  constructor(
    lifecycle: Lifecycle,
    models: KnownModels,
    private readonly sources: Sources,
    isCluster: boolean,
  ) {
    if (isCluster) {
      this.cluster = new ClusterRecorder(defineCluster(this.registry), sources.gauges);
      lifecycle.listen(this.cluster);
    }
    lifecycle.listen(new Recorder(defineEvents(this.registry), models));
    // Event loop, heap, CPU, open files, garbage collection.
    collectDefaultMetrics({
      register: this.registry,
      eventLoopMonitoringPrecision: EVENT_LOOP_MS,
    });
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** In the text format of Prometheus. */
  async text(): Promise<string> {
    this.cluster?.sample();
    await sample(this.states, this.sources);
    return this.registry.metrics();
  }
}
