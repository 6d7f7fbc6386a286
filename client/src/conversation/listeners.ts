/** The functions that want to hear of a change. */
export class Listeners {
  readonly #all = new Set<() => void>();

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  /** @returns a function that ends it */
  add(changed: () => void): () => void {
    // The same function may be given twice.
    const listener = (): void => changed();
    this.#all.add(listener);
    return () => void this.#all.delete(listener);
  }

  tell(): void {
    for (const changed of this.#all) changed();
  }
}
