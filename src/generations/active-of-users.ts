import type { Generation } from './generation.js';
import type { Life, LifecycleListener } from './lifecycle.js';

/** The generations of each known user that have not ended. */
export class ActiveOfUsers implements LifecycleListener {
  private readonly byUser = new Map<string, Set<Generation>>();

  /** In the order in which they were accepted; none of nobody. */
  of(user: string | undefined): Generation[] {
    return user === undefined ? [] : [...(this.byUser.get(user) ?? [])];
  }

  accepted({ generation }: Life): void {
    const { owner } = generation;
    if (owner === undefined) return;
    const own = this.byUser.get(owner) ?? new Set();
    this.byUser.set(owner, own.add(generation));
  }

  ended({ generation }: Life): void {
    const { owner } = generation;
    if (owner === undefined) return;
    const own = this.byUser.get(owner);
    own?.delete(generation);
    if (own?.size === 0) this.byUser.delete(owner);
  }
}
