import * as fc from 'fast-check';
import { slowness } from '../../test/support/slowness.js';
import { MAX_JSON_LEVELS, measureJson } from './json-values.js';

/** The same, counted in the value itself. */
function measure(value: unknown): { values: number; levels: number } {
  if (typeof value !== 'object' || value === null) return { values: 0, levels: 0 };
  const inside = Object.values(value).map(measure);
  return {
    values: inside.reduce((sum, { values }) => sum + values, Math.max(1, inside.length)),
    levels: 1 + Math.max(0, ...inside.map(({ levels }) => levels)),
  };
}

describe('the measure of a JSON text', () => {
  // Quotes, backslashes and brackets inside of texts, and texts longer than what is searched at once.
  const text = fc.oneof(
    fc.string({ unit: fc.constantFrom('"', '\\', '[', '}', ',', 'a', 'é', '😀'), maxLength: 20 }),
    fc.nat(200).map((length) => `${'x'.repeat(length)}"\\`),
  );
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.oneof(text, fc.integer(), fc.constant(null)),
      fc.array(tie('value')),
      fc.dictionary(text, tie('value')),
    ),
  }));

  it('counts its values and levels and nothing inside of texts, as a string and as bytes', () => {
    fc.assert(
      fc.property(value, (one) => {
        const json = JSON.stringify(one);
        for (const form of [json, Buffer.from(json)])
          expect(measureJson(form)).toEqual(measure(one));
      }),
    );
  });

  it('stops where it is nested too deeply', () => {
    expect(measureJson('['.repeat(1_000_000)).levels).toBe(MAX_JSON_LEVELS + 1);
  });

  it.each([
    ['escaped quotes', '\\"'.repeat(8_000_000)],
    ['backslashes', '\\\\'.repeat(8_000_000)],
    ['one long text', 'x'.repeat(16_000_000)],
    ['quotes that are just out of sight', `${'x'.repeat(64)}\\"`.repeat(240_000)],
  ])('costs little for 16 MB of %s', (_, inside) => {
    const json = Buffer.from(`{"prompt":"${inside}"}`);
    // The best of several: the first ones are not compiled yet, and the machine does other things too.
    const costs = Array.from({ length: 5 }, () => {
      const begun = process.cpuUsage();
      expect(measureJson(json)).toEqual({ values: 1, levels: 1 });
      return process.cpuUsage(begun).user;
    });
    expect(Math.min(...costs) / slowness()).toBeLessThan(300_000);
  });
});
