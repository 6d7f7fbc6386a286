import type { Allowance, Window } from './access-store.js';

/** Counts what accounts use within a window of time, several accounts at once or none of them. */
export class WindowCounter {
  constructor(private readonly window: Window) {}

  /**
   * Takes an amount from all of them, or from none where one has not enough left.
   * @returns how long that one has to wait, in milliseconds; undefined when it was taken
   * @throws CastError `store_unavailable`: nothing was taken
   */
  async take(allowances: readonly Allowance[], amount: number): Promise<number | undefined> {
    const taken: Allowance[] = [];
    try {
      for (const allowance of limited(allowances)) {
        const { used, endsInMs } = await this.window.take(allowance.name, amount);
        taken.push(allowance);
        if (used <= allowance.most) continue;
        await this.adjust(taken, -amount);
        return endsInMs;
      }
      return undefined;
    } catch (error) {
      await this.adjust(taken, -amount);
      throw error;
    }
  }

  /** Corrects what was taken: more (positive), or less. Never rejects. */
  async adjust(allowances: readonly Allowance[], amount: number): Promise<void> {
    for (const { name } of limited(allowances)) await this.window.correct(name, amount);
  }

  /** What is left of the tightest of them; undefined where none has a limit. @throws CastError `store_unavailable` */
  async left(allowances: readonly Allowance[]): Promise<number | undefined> {
    const left = await Promise.all(
      [...limited(allowances)].map(async ({ name, most }) =>
        Math.max(0, most - (await this.window.used(name))),
      ),
    );
    return left.length === 0 ? undefined : Math.min(...left);
  }
}

function* limited(allowances: readonly Allowance[]): Generator<{ name: string; most: number }> {
  for (const { name, most } of allowances) if (most) yield { name, most };
}
