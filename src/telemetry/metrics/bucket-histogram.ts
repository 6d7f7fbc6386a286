import type { Histogram, Registry } from 'prom-client';
import { bucketOf } from './buckets.js';

type Labels = Readonly<Record<string, string>>;
interface Series {
  readonly labels: Labels;
  /** Up to 2^53 of each: the buckets of all generations since the start. */
  readonly counts: Float64Array;
  sum: number;
}

/**
 * A histogram with labels, in a registry of prom-client, which takes it as one of its own. `observe` of
 * prom-client's checks, sorts and joins the labels each time, and wants to be told of each value: a start,
 * with some ten of them, and a token cannot afford that.
 */
export class BucketHistogram {
  readonly type = 'histogram';
  private readonly series = new Map<string, Series>();

  constructor(
    registry: Registry,
    readonly name: string,
    readonly help: string,
    private readonly bounds: readonly number[],
  ) {
    registry.registerMetric(this as unknown as Histogram);
  }

  /** Shows a series that has no value yet. */
  begin(labels: Labels): void {
    this.seriesOf(labels);
  }

  /** @param labels always in the same order */
  observe(labels: Labels, value: number): void {
    const series = this.seriesOf(labels);
    series.counts[bucketOf(value, this.bounds)]! += 1;
    series.sum += value;
  }

  /** Adds many values at once. @param counts how many fall into each bucket */
  add(labels: Labels, counts: Uint32Array, sum: number): void {
    const series = this.seriesOf(labels);
    for (const [at, count] of counts.entries()) series.counts[at]! += count;
    series.sum += sum;
  }

  private seriesOf(labels: Labels): Series {
    const key = Object.values(labels).join('\0');
    let series = this.series.get(key);
    if (series === undefined) {
      series = { labels, counts: new Float64Array(this.bounds.length + 1), sum: 0 };
      this.series.set(key, series);
    }
    return series;
  }

  /** As prom-client's registry asks for it. */
  get() {
    const values = [...this.series.values()].flatMap((series) => this.valuesOf(series));
    return { name: this.name, help: this.help, type: this.type, values, aggregator: 'sum' };
  }

  private valuesOf({ labels, counts, sum }: Series) {
    const { name, bounds } = this;
    let count = 0;
    const buckets = [...counts].map((more, at) => ({
      metricName: `${name}_bucket`,
      labels: { ...labels, le: String(bounds[at] ?? '+Inf') },
      value: (count += more),
    }));
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}
