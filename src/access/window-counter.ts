import { RateLimiterMemory } from 'rate-limiter-flexible';

/** Something that is counted for an account, and how much of it there may be; 0 or absent = no limit. */
export interface Allowance {
  readonly name: string;
  readonly most: number | undefined;
}

/** Counts what accounts use within a window of time, several accounts at once or none of them. */
export class WindowCounter {
  private readonly limiter: RateLimiterMemory;

  /** @param seconds the window, from the first use on */
  constructor(seconds: number) {
    // Each account has a limit of its own, which is compared here.
    this.limiter = new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, duration: seconds });
  }

  /**
   * Takes an amount from all of them, or from none where one has not enough left.
   * @returns how long that one has to wait, in milliseconds; undefined when it was taken
   */
  async take(allowances: readonly Allowance[], amount: number): Promise<number | undefined> {
    const taken: string[] = [];
    for (const { name, most } of limited(allowances)) {
      const { consumedPoints, msBeforeNext } = await this.limiter.penalty(name, amount);
      taken.push(name);
      if (consumedPoints <= most) continue;
      await Promise.all(taken.map((name) => this.limiter.reward(name, amount)));
      return msBeforeNext;
    }
    return undefined;
  }

  /** Corrects what was taken: more (positive), or less. */
  async adjust(allowances: readonly Allowance[], amount: number): Promise<void> {
    for (const { name } of limited(allowances)) await this.limiter.penalty(name, amount);
  }

  /** What is left of the tightest of them; undefined where none has a limit. */
  async left(allowances: readonly Allowance[]): Promise<number | undefined> {
    const left = await Promise.all(
      [...limited(allowances)].map(async ({ name, most }) => {
        const used = (await this.limiter.get(name))?.consumedPoints ?? 0;
        return Math.max(0, most - used);
      }),
    );
    return left.length === 0 ? undefined : Math.min(...left);
  }
}

function* limited(allowances: readonly Allowance[]): Generator<{ name: string; most: number }> {
  for (const { name, most } of allowances) if (most) yield { name, most };
}
