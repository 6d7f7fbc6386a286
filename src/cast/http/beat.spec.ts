import { jest } from '@jest/globals';
import * as fc from 'fast-check';
import { USUAL_MS } from '../cadence.js';
import { Beat, MOST_AT_ONCE } from './beat.js';

/** A timer of whole milliseconds may be that much off, and what is due waits for the next one. */
const OFF_MS = 2;

const rests = fc.array(
  fc.record({
    /** When it begins to rest, in milliseconds. */
    at: fc.nat(500),
    ms: fc.integer({ min: 0, max: 250 }),
    /** How long after that it is taken back, if it is. */
    takenBackMs: fc.option(fc.nat(250)),
  }),
  { maxLength: 60 },
);

describe('Beat', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('lets all go on once, at the beat next to the time that they asked for, but what was taken back', () => {
    fc.assert(
      fc.property(rests, (all) => {
        const beat = new Beat();
        const goneOn = all.map((): number[] => []);
        const started = performance.now();
        const gone = new Set<number>();
        for (const [index, { at, ms, takenBackMs }] of all.entries()) {
          setTimeout(() => {
            const takeBack = beat.after(ms, () => goneOn[index]!.push(performance.now() - started));
            if (takenBackMs === null) return;
            setTimeout(() => {
              takeBack();
              if (goneOn[index]!.length === 0) gone.add(index);
            }, takenBackMs);
          }, at);
        }
        jest.advanceTimersByTime(1_000);
        for (const [index, { at, ms }] of all.entries()) {
          const times = goneOn[index]!;
          expect(times).toHaveLength(gone.has(index) ? 0 : 1);
          for (const time of times) {
            expect(time).toBeGreaterThanOrEqual(at + ms - USUAL_MS / 2 - OFF_MS);
            expect(time).toBeLessThanOrEqual(
              at + Math.max(ms, USUAL_MS / 2) + USUAL_MS / 2 + OFF_MS,
            );
          }
        }
        expect(jest.getTimerCount()).toBe(0);
      }),
    );
  });

  it('says how late the event loop let them go on, in the mean, and begins anew', () => {
    const beat = new Beat();
    const begin = (): void => void beat.after(0, () => undefined);
    begin();
    jest.advanceTimersByTime(2 * USUAL_MS);
    expect(beat.lateness()).toBeLessThan(USUAL_MS * 0.2);
    expect(beat.lateness()).toBe(0);
    begin();
    // The loop does something else meanwhile.
    const now = performance.now();
    jest.spyOn(performance, 'now').mockReturnValue(now + 100);
    jest.advanceTimersByTime(2 * USUAL_MS);
    jest.restoreAllMocks();
    expect(beat.lateness()).toBeGreaterThan(100 - USUAL_MS - OFF_MS);
    expect(beat.lateness()).toBe(0);
  });

  it('lets the event loop turn between many', () => {
    const beat = new Beat();
    const turns: number[] = [];
    let count = 0;
    for (let one = 0; one < 2.5 * MOST_AT_ONCE; one++) {
      beat.after(0, () => {
        // What else the loop has to do.
        if (count++ % MOST_AT_ONCE === 0) setImmediate(() => turns.push(count));
      });
    }
    jest.advanceTimersByTime(2 * USUAL_MS);
    expect(count).toBe(2.5 * MOST_AT_ONCE);
    expect(turns).toEqual([MOST_AT_ONCE, 2 * MOST_AT_ONCE, 2.5 * MOST_AT_ONCE]);
  });
});
