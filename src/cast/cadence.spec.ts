import * as fc from 'fast-check';
import { Cadence, FEWEST_ANSWERS } from './cadence.js';

/** Looks of 250 ms in so many seconds. */
const looks = (seconds: number): number => seconds * 4;

function look(cadence: Cadence, seconds: number, loop: number, cpu = loop): number[] {
  return Array.from({ length: looks(seconds) }, () => {
    cadence.look({ loop, cpu });
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

  it('grows no further where others use the core, and stays while they do', () => {
    look(cadence, 60, 1, 0.3);
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

  it('does not flap: under any constant load it settles', () => {
    // What a core has to do with each interval, as measured: 100 % without, 44 to 50 % with 100 ms.
    const share = { 0: 1, 100: 0.47, 200: 0.4 } as const;
    fc.assert(
      fc.property(fc.double({ min: 0, max: 4, noNaN: true }), (load) => {
        const under = new Cadence();
        under.answers = 500;
        const delays: number[] = [];
        for (let at = 0; at < looks(60); at++) {
          const work = load * share[under.delayMs as keyof typeof share];
          under.look({ loop: Math.min(1, work), cpu: Math.min(1, work) });
          delays.push(under.delayMs);
        }
        expect(new Set(delays.slice(looks(10))).size).toBe(1);
      }),
    );
  });
});
