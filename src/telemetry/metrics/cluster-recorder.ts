import type { Gauges } from '../../generations/gauges.js';
import type { LifecycleListener, TakeoverResult } from '../../generations/lifecycle.js';
import type { ClusterMetrics } from './definitions.js';

/** Counts and times what a node of a cluster does with the others and with their store. */
export class ClusterRecorder implements LifecycleListener {
  constructor(
    private readonly metrics: ClusterMetrics,
    private readonly gauges: Gauges,
  ) {}

  stored(op: string, ms: number): void {
    this.metrics.storeLatency.observe({ op }, ms / 1000);
  }

  tookOver(result: TakeoverResult): void {
    this.metrics.takeovers.inc({ result });
  }

  fenced(): void {
    this.metrics.fenced.inc();
  }

  deaf(): void {
    this.metrics.deaf.inc();
  }

  /** Reads how things are now; at each scrape. */
  sample(): void {
    const ageMs = this.gauges.read('leaseAgeMs');
    // Until the store has heard it for the first time there is no age.
    if (ageMs !== undefined && Number.isFinite(ageMs)) this.metrics.leaseAge.set(ageMs / 1000);
    this.metrics.followers.set(this.gauges.read('followers') ?? 0);
  }
}
