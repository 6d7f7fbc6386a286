import type { Generation } from '../generation.js';

/** The generations of each known user that have not ended. */
export class ActiveOfUsers {
  private readonly byUser = new Map<string, Set<Generation>>();

  /** In the order in which they were accepted. */
  of(user: string): Generation[] {
    return [...(this.byUser.get(user) ?? [])];
  }

  add(generation: Generation): void {
    const { owner } = generation;
    if (owner === undefined) return;
    const own = this.byUser.get(owner) ?? new Set();
    this.byUser.set(owner, own.add(generation));
  }

  remove(generation: Generation): void {
    const { owner } = generation;
    if (owner === undefined) return;
    const own = this.byUser.get(owner);
    own?.delete(generation);
    if (own?.size === 0) this.byUser.delete(owner);
  }
}
