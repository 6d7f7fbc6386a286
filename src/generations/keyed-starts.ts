import type { Accepted } from './accepted.js';
import type { Generation } from './generation.js';
import type { Claim, GenerationStore } from './store/generation-store.js';

/** Starts each generation once: an idempotency key that comes again gets what it got the first time. */
export class KeyedStarts {
  /** Generations that are on their way to a place: the same key, asked again, waits for them. */
  private readonly entering = new Map<string, Promise<Accepted>>();

  constructor(private readonly store: GenerationStore) {}

  /**
   * The generation of a key that was used before; undefined for a new one, or for none.
   * @throws CastError `idempotency_conflict`; `generation_not_found` where the log had to make room
   */
  async known(claim: Claim | undefined): Promise<Accepted | undefined> {
    const id = claim && (await this.store.keyed(claim));
    return id === undefined ? undefined : this.again(id);
  }

  /**
   * @param id of the new generation
   * @param enter starts it; not called where another request with the same key was faster
   * @throws CastError as {@link known}; what `enter` throws
   */
  async start(
    claim: Claim | undefined,
    id: string,
    enter: () => Promise<Generation>,
  ): Promise<Accepted> {
    const started = this.claimAndEnter(claim, id, enter);
    this.entering.set(id, started);
    try {
      return await started;
    } finally {
      this.entering.delete(id);
    }
  }

  private async claimAndEnter(
    claim: Claim | undefined,
    id: string,
    enter: () => Promise<Generation>,
  ): Promise<Accepted> {
    const claimed = claim === undefined ? id : await this.store.claim(claim, id);
    if (claimed !== id) return this.again(claimed);
    try {
      return { generation: await enter(), deduplicated: false };
    } catch (error) {
      // Before it is refused: it may come again at once, on any node.
      if (claim !== undefined) await this.store.unclaim(id);
      throw error;
    }
  }

  private async again(id: string): Promise<Accepted> {
    const entered = await this.entering.get(id);
    return { generation: entered?.generation ?? (await this.store.find(id)), deduplicated: true };
  }
}
