/** More than one user has at a time. The server forgets old generations too. */
const MOST = 1_000;

/** The ids that were added last. */
export class RecentIds {
  /** The one that was added longest ago comes first. */
  readonly #ids = new Set<string>();

  get size(): number {
    return this.#ids.size;
  }

  /** @returns whether it is new */
  add(id: string): boolean {
    const isNew = !this.#ids.delete(id);
    this.#ids.add(id);
    if (this.#ids.size > MOST) {
      const [oldest] = this.#ids;
      this.#ids.delete(oldest!);
    }
    return isNew;
  }
}
