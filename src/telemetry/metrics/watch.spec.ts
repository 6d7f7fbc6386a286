import * as fc from 'fast-check';
import { fraction } from '../../../test/support/fraction.js';
import { SECONDS } from './buckets.js';
import { Watch } from './watch.js';

describe('the gaps between the chunks of an answer', () => {
  const read = fc.record({
    count: fc.integer({ min: 1, max: 4 }),
    sinceMs: fc.oneof(
      fraction.map((part) => 60 * part),
      fc.integer({ min: 0, max: 2_000_000 }),
    ),
  });

  it('fall into the buckets that one finds by looking at each alone', () => {
    fc.assert(
      fc.property(fc.array(read, { maxLength: 40 }), (reads) => {
        const watch = new Watch();
        for (const { count, sinceMs } of reads) watch.pieces(count, sinceMs);

        const gapsMs = reads.flatMap(({ count, sinceMs }, at) => [
          ...(at === 0 ? [] : [sinceMs]),
          ...Array.from({ length: count - 1 }, () => 0),
        ]);
        const expected = Array.from({ length: SECONDS.length + 1 }, () => 0);
        for (const gapMs of gapsMs) {
          const at = SECONDS.findIndex((bound) => gapMs / 1000 <= bound);
          expected[at === -1 ? SECONDS.length : at]! += 1;
        }
        expect([...watch.gaps]).toEqual(expected);
        expect(watch.spanUs / 1000).toBeCloseTo(
          gapsMs.reduce((sum, gapMs) => sum + gapMs, 0),
          1,
        );
      }),
    );
  });

  it('are the same when they are asked for twice, and go on after that', () => {
    const watch = new Watch();
    watch.pieces(1, 0);
    watch.pieces(1, 15);
    expect(watch.gaps[1]).toBe(1);
    watch.pieces(1, 15);
    watch.pieces(1, 15);
    expect(watch.gaps[1]).toBe(3);
    expect(watch.gaps[1]).toBe(3);
  });
});
