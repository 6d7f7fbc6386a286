import type { LifecycleListener, Life } from '../lifecycle.js';
import type { EndEntry } from '../log/entry.js';

/** Most models that are remembered; callers choose their names. */
const MAX_MODELS = 256;
/** Weight of the newest duration. */
const NEWEST = 0.3;

/** How long generations of each model held their slot lately: an exponentially weighted mean. */
export class Durations implements LifecycleListener {
  private readonly means = new Map<string, number>();
  /** When the last attempt of a generation began. */
  private readonly begun = new WeakMap<Life, number>();

  /** In milliseconds; undefined for a model that has not run yet. */
  of(model: string): number | undefined {
    return this.means.get(model);
  }

  attempt(life: Life): void {
    this.begun.set(life, performance.now());
  }

  ended(life: Life, { said }: EndEntry): void {
    const begun = this.begun.get(life);
    if (said.state === 'completed' && begun !== undefined) {
      this.add(life.request.model, performance.now() - begun);
    }
  }

  private add(model: string, ms: number): void {
    const mean = this.means.get(model) ?? ms;
    this.means.delete(model);
    this.means.set(model, mean + NEWEST * (ms - mean));
    if (this.means.size <= MAX_MODELS) return;
    const [oldest] = this.means.keys();
    if (oldest !== undefined) this.means.delete(oldest);
  }
}
