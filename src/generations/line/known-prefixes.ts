import type { Upstream } from '../../cast/upstream.js';

/** Most prefixes that are remembered of one upstream: those that were used last. */
export const MAX_KNOWN = 8_192;
/** How long a prefix is remembered after its last use, in milliseconds. */
export const KNOWN_MS = 3_600_000;

/**
 * Which upstream has processed the beginning of which conversations lately, so that they may lie in
 * its cache. A guess that may be wrong: it decides where a request had better go, never whether.
 */
export class KnownPrefixes {
  /** When each prefix was used last; the one that was not used for longest comes first. */
  private readonly usedAt = new Map<Upstream, Map<string, number>>();

  constructor(
    private readonly most = MAX_KNOWN,
    private readonly forMs = KNOWN_MS,
  ) {}

  /** This upstream has just processed them. */
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

  /**
   * @param digests of one request, the shortest prefix first
   * @returns for each upstream that knows one of them the index of the longest
   */
  longest(digests: readonly string[]): ReadonlyMap<Upstream, number> {
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
