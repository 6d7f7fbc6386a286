import * as fc from 'fast-check';
import { cutText } from '../../../test/support/cut.js';
import { WholeCharacters } from './characters.js';

/** What comes out for the pieces, the rest at the end included. */
function pass(pieces: readonly string[]): string[] {
  const held = new WholeCharacters();
  return [...pieces.map((piece) => held.push(piece)), held.end()];
}

const survivesUtf8 = (text: string): boolean => Buffer.from(text).toString() === text;

describe('WholeCharacters', () => {
  it('gives a character outside the BMP whole, with the piece that completes it', () => {
    expect(pass(['a\ud83d', '', '\ude00b'])).toEqual(['a', '', '😀b', '']);
    expect(pass(['\ud83d', '\ude00\ud83d', '\ude00'])).toEqual(['', '😀', '😀', '']);
  });

  it('holds nothing back of text without surrogates, nor a second half', () => {
    expect(pass(['é', '世', '\uFFFF', '😀'])).toEqual(['é', '世', '\uFFFF', '😀', '']);
  });

  it('loses no half that never finds its other half', () => {
    expect(pass(['a\ud83d', 'b'])).toEqual(['a', '\ud83db', '']);
    expect(pass(['\ud83d', '\ud83d', '\ude00'])).toEqual(['', '\ud83d', '😀', '']);
    expect(pass(['\ude00', 'a\ud83d'])).toEqual(['\ude00', 'a', '\ud83d']);
  });

  it('gives what it holds only once', () => {
    const held = new WholeCharacters();
    held.push('\ud83d');
    expect([held.end(), held.end()]).toEqual(['\ud83d', '']);
  });

  it('splits no character of any text, cut anywhere, and changes nothing of it', () => {
    const text = fc.string({ unit: fc.oneof(fc.constant('😀'), fc.string({ unit: 'binary' })) });
    fc.assert(
      fc.property(text, fc.array(fc.nat()), (whole, cuts) => {
        const pieces = pass(cutText(whole, cuts));
        expect(pieces.join('')).toBe(whole);
        expect(pieces.filter((piece) => !survivesUtf8(piece))).toEqual([]);
      }),
    );
  });

  it('changes nothing of text with lone halves', () => {
    const unit = fc.constantFrom('\ud83d', '\ude00', 'a');
    fc.assert(
      fc.property(fc.array(fc.string({ unit })), (pieces) => {
        expect(pass(pieces).join('')).toBe(pieces.join(''));
      }),
    );
  });
});
