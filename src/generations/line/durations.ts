/** Most models that are remembered; callers choose their names. */
const MAX_MODELS = 256;
/** Weight of the newest duration. */
const NEWEST = 0.3;

/** How long generations of each model took lately: an exponentially weighted mean. */
export class Durations {
  private readonly means = new Map<string, number>();

  /** @param ms how long one generation held its slot */
  add(model: string, ms: number): void {
    const mean = this.means.get(model) ?? ms;
    this.means.delete(model);
    this.means.set(model, mean + NEWEST * (ms - mean));
    if (this.means.size <= MAX_MODELS) return;
    const [oldest] = this.means.keys();
    if (oldest !== undefined) this.means.delete(oldest);
  }

  /** In milliseconds; undefined for a model that has not run yet. */
  of(model: string): number | undefined {
    return this.means.get(model);
  }
}
