import { RateLimiterRedis } from 'rate-limiter-flexible';
import type { Window } from '../access/access-store.js';
import { digest } from './keys.js';
import type { RedisClient } from './redis.js';

/** How long a correction waits for the next attempt, in milliseconds. */
const AGAIN_MS = 1_000;
/** Most corrections that wait; over it the oldest is lost: what was taken stays taken. */
const MAX_OWED = 10_000;

/** Counts of all nodes together, in Redis. */
export class RedisWindow implements Window {
  private limiter: RateLimiterRedis | undefined;
  /** Corrections that Redis has not taken yet. */
  private readonly owed = new Map<string, number>();
  private paying: NodeJS.Timeout | undefined;

  /** @param name of what is counted @param seconds how long the window is */
  constructor(
    private readonly redis: RedisClient,
    private readonly name: string,
    private readonly seconds: number,
  ) {}

  async take(name: string, amount: number): Promise<{ used: number; endsInMs: number }> {
    const { consumedPoints, msBeforeNext } = await this.ask((limiter) =>
      limiter.penalty(digest(name), amount),
    );
    return { used: consumedPoints, endsInMs: msBeforeNext };
  }

  async correct(name: string, amount: number): Promise<void> {
    if (amount === 0) return;
    try {
      await this.take(name, amount);
    } catch {
      this.owe(name, amount);
    }
  }

  async used(name: string): Promise<number> {
    return (await this.ask((limiter) => limiter.get(digest(name))))?.consumedPoints ?? 0;
  }

  close(): void {
    clearTimeout(this.paying);
  }

  private owe(name: string, amount: number): void {
    if (this.owed.size >= MAX_OWED) {
      const [oldest] = this.owed.keys();
      if (oldest !== undefined) this.owed.delete(oldest);
    }
    this.owed.set(name, (this.owed.get(name) ?? 0) + amount);
    this.paying ??= setTimeout(() => void this.pay(), AGAIN_MS).unref();
  }

  private async pay(): Promise<void> {
    const owed = [...this.owed];
    this.owed.clear();
    this.paying = undefined;
    // What fails again is owed again.
    for (const [name, amount] of owed) await this.correct(name, amount);
  }

  private ask<T>(act: (limiter: RateLimiterRedis) => Promise<T>): Promise<T> {
    return this.redis.ask((client) => {
      this.limiter ??= new RateLimiterRedis({
        storeClient: client,
        keyPrefix: `${this.redis.prefix}u:${this.name}`,
        // Each account has a limit of its own, which is compared elsewhere.
        points: Number.MAX_SAFE_INTEGER,
        duration: this.seconds,
      });
      return act(this.limiter);
    }, 'count');
  }
}
