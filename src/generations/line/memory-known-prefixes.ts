import type { Upstream } from '../../cast/upstream.js';
import { KNOWN_MS, type KnownPrefixes, type Longest, MAX_KNOWN } from './known-prefixes.js';

/** What one node knows of its upstreams, in its memory. */
export class MemoryKnownPrefixes implements KnownPrefixes {
  /** When each prefix was used last; the one that was not used for longest comes first. */
  private readonly usedAt = new Map<Upstream, Map<string, number>>();

  constructor(
    private readonly most = MAX_KNOWN,
    private readonly forMs = KNOWN_MS,
  ) {}

  remember(upstream: Upstream, digests: readonly string[]): void {
    const known = this.usedAt.get(upstream) ?? new Map<string, number>();
    this.usedAt.set(upstream, known);
    const now = performance.now();
    for (const digest of digests) {
      known.delete(digest);
      known.set(digest, now);
    }
    for (const [digest, usedAt] of known) {
      if (known.size <= this.most && now - usedAt < this.forMs) break;
      known.delete(digest);
    }
  }

  longest(digests: readonly string[]): Longest {
    const longest = new Map<Upstream, number>();
    const now = performance.now();
    for (const [upstream, known] of this.usedAt) {
      const at = digests.findLastIndex(
        (digest) => now - (known.get(digest) ?? Number.NEGATIVE_INFINITY) < this.forMs,
      );
      if (at >= 0) longest.set(upstream, at);
    }
    return longest;
  }
}
