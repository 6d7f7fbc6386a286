/** A fixed number of places for work, and a first-come line before them. */
export class Slots {
  readonly #line = new Set<() => void>();
  #free: number;

  /** @param places how many may work at once, at least 1 */
  constructor(places: number) {
    this.#free = places;
  }

  /** Waits for a place, works, and passes the place on. Rejects at once when `gone` aborts in line. */
  async use(gone: AbortSignal, work: () => Promise<void>): Promise<void> {
    await this.#enter(gone);
    try {
      await work();
    } finally {
      const [next] = this.#line;
      if (next) next();
      else this.#free++;
    }
  }

  async #enter(gone: AbortSignal): Promise<void> {
    gone.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const step = (settle: () => void) => {
        this.#line.delete(enter);
        gone.removeEventListener('abort', leave);
        settle();
      };
      const enter = () => step(resolve);
      const leave = () => step(() => reject(gone.reason));
      this.#line.add(enter);
      gone.addEventListener('abort', leave);
    });
  }
}
