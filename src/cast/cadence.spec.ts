import * as fc from 'fast-check';
import { fraction } from '../../test/support/fraction.js';
import { Cadence, FEWEST_ANSWERS } from './cadence.js';

/** Looks of 250 ms in so many seconds. */
const looks = (seconds: number): number => seconds * 4;

function look(cadence: Cadence, seconds: number, loop: number, cpu = loop, lateMs = 0): number[] {
  return Array.from({ length: looks(seconds) }, () => {
    cadence.look({ loop, cpu }, lateMs);
    return cadence.delayMs;
  });
}

describe('the cadence', () => {
  let cadence: Cadence;

  beforeEach(() => {
    cadence = new Cadence();
    cadence.answers = 500;
  });

  it('is that of a screen while the core keeps up', () => {
    look(cadence, 60, 0.89);
    expect(cadence.delayMs).toBe(0);
    expect(cadence.intervalMs).toBeCloseTo(16.7, 1);
  });

  it('grows step by step while the core is full, to 200 ms', () => {
    expect(new Set(look(cadence, 1, 0.99))).toEqual(new Set([0, 100]));
    expect(cadence.intervalMs).toBe(100);
    look(cadence, 60, 0.99);
    expect(cadence.intervalMs).toBe(200);
  });

  it('is not changed by a moment', () => {
    for (let second = 0; second < 60; second++) {
      look(cadence, 0.75, 1);
      look(cadence, 0.25, 0.5);
    }
    expect(cadence.delayMs).toBe(0);
  });

  it('stays while a shorter interval would fill the core, and goes back when it would not', () => {
    look(cadence, 1, 0.95);
    look(cadence, 60, 0.5);
    expect(cadence.intervalMs).toBe(100);
    look(cadence, 3, 0.3);
    expect(cadence.delayMs).toBe(0);
  });

  it('goes back by the CPU: while reads are spaced the loop is said to work more than it does', () => {
    look(cadence, 1, 0.95);
    look(cadence, 3, 0.8, 0.3);
    expect(cadence.delayMs).toBe(0);
  });

  it('grows no further where others use the core and reads are in time, and stays while they do', () => {
    look(cadence, 60, 1, 0.3, 24);
    expect(cadence.intervalMs).toBe(100);
  });

  it('grows where reads are late, although others use the core, and stays while they do', () => {
    look(cadence, 1, 1, 0.5);
    look(cadence, 1, 1, 0.5, 30);
    expect(cadence.intervalMs).toBe(200);
    look(cadence, 40, 0.85, 0.45, 10);
    expect(cadence.intervalMs).toBe(200);
    // Perhaps they have gone.
    look(cadence, 8, 0.85, 0.45, 10);
    expect(cadence.intervalMs).toBe(100);
  });

  it('does not go back while reads are late', () => {
    look(cadence, 1, 1);
    look(cadence, 60, 0.3, 0.3, 30);
    expect(cadence.intervalMs).toBe(100);
  });

  it('is the usual one for few answers, however full the core is', () => {
    cadence.answers = FEWEST_ANSWERS - 1;
    look(cadence, 60, 1);
    expect(cadence.delayMs).toBe(0);
  });

  it('goes back when most answers are over', () => {
    look(cadence, 60, 1);
    cadence.answers = 0;
    look(cadence, 6, 1);
    expect(cadence.delayMs).toBe(0);
  });

  // What a core has to do with each interval, as measured: 100 % without, 44 to 50 % with 100 ms.
  const share = { 0: 1, 100: 0.47, 200: 0.4 } as const;
  /** The delay after each look of so many seconds. @param part of the core that this process may use */
  const under = (load: number, part: number, seconds: number): number[] => {
    const cadence = new Cadence();
    cadence.answers = 500;
    return Array.from({ length: looks(seconds) }, () => {
      const work = load * share[cadence.delayMs as keyof typeof share];
      // What does not fit into an interval is late by as much.
      const lateMs = Math.max(0, work / part - 1) * cadence.intervalMs;
      cadence.look({ loop: Math.min(1, work / part), cpu: Math.min(part, work) }, lateMs);
      return cadence.delayMs;
    });
  };
  /** How often it went back to a shorter interval. */
  const falls = (delays: readonly number[]): number =>
    delays.filter((delay, at) => at > 0 && delay < delays[at - 1]!).length;
  const anyLoad = fraction.map((part) => 4 * part);

  it('does not flap: under any constant load it settles', () => {
    fc.assert(
      fc.property(anyLoad, (load) => {
        expect(new Set(under(load, 1, 60).slice(looks(10))).size).toBe(1);
      }),
    );
  });

  it('flaps less and less where a part of a core is all it has, down to once in 48 s', () => {
    fc.assert(
      fc.property(
        anyLoad,
        fraction.map((one) => Math.max(0.05, one)),
        (load, part) => {
          const delays = under(load, part, 300);
          expect(falls(delays.slice(0, looks(60)))).toBeLessThanOrEqual(5);
          expect(falls(delays.slice(looks(100)))).toBeLessThanOrEqual(5);
        },
      ),
    );
  });

  it('goes back as soon as ever when a shorter interval has held', () => {
    for (let times = 0; times < 5; times++) {
      look(cadence, 1, 1, 0.2);
      look(cadence, 48, 0.3);
    }
    look(cadence, 60, 0.3);
    look(cadence, 1, 1, 0.2);
    look(cadence, 3, 0.3);
    expect(cadence.delayMs).toBe(0);
  });
});
