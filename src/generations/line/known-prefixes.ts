import type { Upstream } from '../../cast/upstream.js';

/** Most prefixes that are remembered of one upstream: those that were used last. */
export const MAX_KNOWN = 8_192;
/** How long a prefix is remembered after its last use, in milliseconds. */
export const KNOWN_MS = 3_600_000;

/**
 * Which upstream has processed the beginning of which conversations lately, so that they may lie in
 * its cache. A guess that may be wrong: it decides where a request had better go, never whether.
 */
export abstract class KnownPrefixes {
  /** This upstream has just processed them. */
  abstract remember(upstream: Upstream, digests: readonly string[]): void;

  /**
   * @param digests of one request, the shortest prefix first
   * @returns for each upstream that knows one of them the index of the longest; never rejects
   */
  abstract longest(digests: readonly string[]): Longest | Promise<Longest>;
}

export type Longest = ReadonlyMap<Upstream, number>;
