/** The samples of one scrape, in the text format of Prometheus. */
export class Scrape {
  private readonly samples: { name: string; labels: Record<string, string>; value: number }[];

  private constructor(readonly text: string) {
    this.samples = text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const [, name = '', labels = '', value = ''] =
          /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
        const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
        return {
          name,
          labels: Object.fromEntries(pairs.map(([, key, text]) => [key, text])),
          value: Number(value),
        };
      });
  }

  /** @param url of the REST server */
  static async of(url: string): Promise<Scrape> {
    const response = await fetch(`${url}/metrics`);
    if (!response.ok) throw new Error(`/metrics: ${response.status}`);
    return new Scrape(await response.text());
  }

  /** What is not 0 of a metric, by the values of its labels in the order given. */
  by(name: string, ...labels: string[]): Record<string, number> {
    const sums = new Map<string, number>();
    for (const sample of this.samples) {
      if (sample.name !== name || sample.value === 0) continue;
      const key = labels
        .map((label) => sample.labels[label] ?? '')
        .join(' ')
        .trim();
      sums.set(key, (sums.get(key) ?? 0) + sample.value);
    }
    return Object.fromEntries(sums);
  }

  /** The sum of all series of a metric. */
  sum(name: string): number {
    return this.samples.reduce((sum, one) => sum + (one.name === name ? one.value : 0), 0);
  }

  /** The names of all labels. */
  get labels(): Set<string> {
    return new Set(this.samples.flatMap(({ labels }) => Object.keys(labels)));
  }

  /** Every value of a label. */
  valuesOf(label: string): Set<string> {
    return new Set(this.samples.flatMap(({ labels }) => labels[label] ?? []));
  }
}
