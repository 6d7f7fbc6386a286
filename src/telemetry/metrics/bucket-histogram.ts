import type { Buckets } from './buckets.js';

type Labels = Readonly<Record<string, string>>;
interface Series {
  readonly labels: Labels;
  /** Up to 2^53 of each: the buckets of all generations since the start. */
  readonly counts: Float64Array;
  sum: number;
}

/**
 * A histogram that is filled by whole {@link Buckets}: `observe` of prom-client looks up the labels
 * each time, which a token cannot afford. A registry of prom-client takes it as one of its own.
 */
export class BucketHistogram {
  readonly type = 'histogram';
  private readonly series = new Map<string, Series>();

  constructor(
    readonly name: string,
    readonly help: string,
    private readonly bounds: readonly number[],
  ) {}

  add(labels: Labels, { counts, sum }: Buckets): void {
    const key = Object.values(labels).join('\0');
    let series = this.series.get(key);
    if (series === undefined) {
      series = { labels, counts: new Float64Array(this.bounds.length + 1), sum: 0 };
      this.series.set(key, series);
    }
    for (const [at, count] of counts.entries()) series.counts[at]! += count;
    series.sum += sum;
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
