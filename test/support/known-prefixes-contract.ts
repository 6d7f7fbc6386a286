import * as fc from 'fast-check';
import type { Upstream } from '../../src/cast/upstream.js';
import type { KnownPrefixes } from '../../src/generations/line/known-prefixes.js';
import { upstreamOf } from './waiter.js';

const [a, b] = [upstreamOf('a', 1), upstreamOf('b', 1)];
const ALL = [a, b];
const MANY = 1_000;
const HOUR_MS = 3_600_000;

/** A conversation: each of its prefixes, the shortest first. */
const conversation = fc
  .array(fc.constantFrom('x', 'y'), { minLength: 1, maxLength: 5 })
  .map((messages) => messages.map((_, at) => messages.slice(0, at + 1).join('')));

/**
 * What is known of the prefixes of conversations, wherever it is kept.
 * @param make one that knows nothing, with its bounds
 * @param numRuns random sequences
 */
export function knownPrefixesContract(
  name: string,
  make: (
    upstreams: readonly Upstream[],
    most: number,
    forMs: number,
  ) => KnownPrefixes | Promise<KnownPrefixes>,
  numRuns: number,
): void {
  describe(`${name} as what is known of prefixes`, () => {
    it('finds the longest for each upstream: as a search through all that was remembered', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.constantFrom(...ALL), conversation), { maxLength: 10 }),
          conversation,
          async (remembered, asked) => {
            const known = await make(ALL, MANY, HOUR_MS);
            for (const [upstream, digests] of remembered) known.remember(upstream, digests);
            const longest = await known.longest(asked);
            for (const upstream of ALL) {
              const all = new Set(
                remembered.flatMap(([one, digests]) => (one === upstream ? digests : [])),
              );
              expect(longest.get(upstream) ?? -1).toBe(
                asked.findLastIndex((digest) => all.has(digest)),
              );
            }
          },
        ),
        { numRuns },
      );
    });

    it('keeps for each upstream those that were used last', async () => {
      const known = await make(ALL, 3, HOUR_MS);
      known.remember(b, ['1']);
      for (const digest of ['1', '2', '3', '1', '4']) known.remember(a, [digest]);
      const kept: string[] = [];
      for (const digest of ['1', '2', '3', '4']) {
        if ((await known.longest([digest])).has(a)) kept.push(digest);
      }
      expect(kept).toEqual(['1', '3', '4']);
      expect((await known.longest(['1'])).get(b)).toBe(0);
    });

    it('forgets what was not used for long', async () => {
      const known = await make(ALL, 3, 0);
      known.remember(a, ['1']);
      expect(await known.longest(['1'])).toEqual(new Map());
    });
  });
}
