import * as fc from 'fast-check';
import { FormulaScanner, withoutFormulas } from '../src/markdown/formulas.js';

/** What means something to it, and some that does not. */
const PIECES = [
  '\\[',
  '\\]',
  '\\(',
  '\\)',
  '$',
  '$$',
  '\\',
  '\n',
  '\n\n',
  '    ',
  ' ',
  '\t',
  '`',
  'a',
  '1',
];

function scanned(parts: readonly string[]) {
  const scanner = new FormulaScanner();
  const shown = parts.map((part) => scanner.write(part));
  const held = scanner.held;
  return { decided: shown.join(''), held, rest: scanner.end(), formulas: scanner.formulas };
}

describe('FormulaScanner', () => {
  it('decides the same, whatever the pieces in which a text arrives', () => {
    const texts = fc.array(fc.constantFrom(...PIECES), { maxLength: 12 });
    fc.assert(
      fc.property(texts, fc.array(fc.nat()), (pieces, cuts) => {
        const text = pieces.join('');
        const places = cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b);
        const parts = [0, ...places].map((from, index) => text.slice(from, places[index]));
        expect(scanned(parts)).toEqual(scanned([text]));
      }),
      { numRuns: 5_000, examples: [[['\\[', '\n    ', '\n'], [6]]] },
    );
  });

  it('leaves as they are written those that are more than it has characters for', () => {
    const text = '$a$ '.repeat(140_000);
    const { decided, rest, formulas } = scanned([text]);
    expect(formulas.length).toBeGreaterThan(60_000);
    expect(withoutFormulas(decided + rest, formulas) === text).toBe(true);
  });
});
