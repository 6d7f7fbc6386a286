/**
 * The functions that want to hear of something. What one of them throws is the app's to see, as with
 * the events of a page: the others hear all the same, and so does what comes after them.
 */
export class Listeners<Heard = void> {
  readonly #all = new Set<(heard: Heard) => void>();

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  /** @returns a function that ends it */
  add(listen: (heard: Heard) => void): () => void {
    // The same function may be given twice.
    const listener = (heard: Heard): void => listen(heard);
    this.#all.add(listener);
    return () => void this.#all.delete(listener);
  }

  tell(heard: Heard): void {
    for (const listener of this.#all) {
      try {
        listener(heard);
      } catch (error) {
        leaveUncaught(error);
      }
    }
  }
}

/** A browser reports it; Node.js and React Native have it thrown. */
function leaveUncaught(error: unknown): void {
  if (typeof reportError === 'function') return reportError(error);
  setTimeout(() => {
    throw error;
  });
}
