import type { Upstream } from '../cast/upstream.js';
import {
  KNOWN_MS,
  type KnownPrefixes,
  type Longest,
  MAX_KNOWN,
} from '../generations/line/known-prefixes.js';
import { knownOf } from './keys.js';
import type { RedisClient } from './redis.js';

/** What all nodes together know of their upstreams, in Redis: hashes and times, and no word of a text. */
export class RedisKnownPrefixes implements KnownPrefixes {
  private readonly keys: string[];

  constructor(
    private readonly redis: RedisClient,
    private readonly upstreams: readonly Upstream[],
    private readonly most = MAX_KNOWN,
    private readonly forMs = KNOWN_MS,
  ) {
    this.keys = upstreams.map((upstream) => this.keyOf(upstream));
  }

  remember(upstream: Upstream, digests: readonly string[]): void {
    const args = [this.most, this.forMs, ...digests];
    // What Redis does not hear is read once more than it had to be.
    void this.redis.run('knownAdd', [this.keyOf(upstream)], args).catch(() => undefined);
  }

  async longest(digests: readonly string[]): Promise<Longest> {
    const longest = new Map<Upstream, number>();
    try {
      const found = await this.redis.run('knownFind', this.keys, [this.forMs, ...digests]);
      for (const [at, upstream] of this.upstreams.entries()) {
        const number = Number((found as unknown[])[at]);
        if (number > 0) longest.set(upstream, number - 1);
      }
    } catch {
      // The line will say that Redis is away.
    }
    return longest;
  }

  private keyOf({ key }: Upstream): string {
    return this.redis.prefix + knownOf(key);
  }
}
