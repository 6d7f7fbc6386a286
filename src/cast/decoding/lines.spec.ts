import * as fc from 'fast-check';
import { cut } from '../../../test/support/cut.js';
import { CastError } from '../../protocol/errors.js';
import { LineDecoder } from './lines.js';

const NO_LIMIT = 1_048_576;

/** What the decoder tells, in order; ends with the code where it refuses. */
function decode(pieces: readonly Uint8Array[], maxBytes = NO_LIMIT): string[] {
  const told: string[] = [];
  const tell = (line: string): unknown => told.push(line);
  const decoder = new LineDecoder(maxBytes);
  try {
    for (const piece of pieces) decoder.push(Buffer.from(piece), tell);
    decoder.end(tell);
  } catch (error) {
    told.push((error as CastError).code);
  }
  return told;
}

const singles = (bytes: Buffer): Buffer[] => cut(bytes, [...bytes.keys()]);

describe('LineDecoder', () => {
  it('tells the same lines wherever the bytes are cut, once, twice or everywhere', () => {
    const wire = Buffer.from(
      '\uFEFF{"a":"é"}\r\n\r\n \t\n世\u2028界\u2029\u0085😀 a\rb\r\n\n👩‍💻 no newline',
    );
    const lines = ['{"a":"é"}', '世\u2028界\u2029\u0085😀 a\rb', '👩‍💻 no newline'];
    for (let first = 0; first <= wire.length; first++) {
      for (let second = first; second <= wire.length; second++) {
        expect(decode(cut(wire, [first, second]))).toEqual(lines);
      }
    }
    expect(decode(singles(wire))).toEqual(lines);
  });

  it('finds any lines again, cut anywhere', () => {
    // The x keeps a line from being blank and from beginning with a BOM.
    const line = fc.string({ unit: 'binary' }).map((text) => `x${text.replaceAll(/[\r\n]/g, '')}`);
    const end = fc.constantFrom('\n', '\r\n', '\n\n', '\r\n \r\n');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(line, end)),
        fc.option(line, { nil: '' }),
        fc.array(fc.nat()),
        (lines, last, cuts) => {
          const wire = lines.flat().join('') + last;
          const expected = [...lines.map(([text]) => text), ...(last === '' ? [] : [last])];
          expect(decode(cut(Buffer.from(wire), cuts))).toEqual(expected);
        },
      ),
    );
  });

  it('makes of any bytes, valid UTF-8 or not, the same as in one piece', () => {
    const byte = fc.oneof(fc.constantFrom(0x0a, 0x0d, 0xef, 0xbb, 0xbf, 0xf0, 0x9f), fc.nat(255));
    const maxBytes = fc.integer({ min: 1, max: 20 });
    fc.assert(
      fc.property(fc.array(byte), maxBytes, fc.array(fc.nat()), (values, limit, cuts) => {
        const bytes = Buffer.from(values);
        expect(decode(cut(bytes, cuts), limit)).toEqual(decode([bytes], limit));
      }),
    );
  });

  it('drops a BOM at the very beginning only', () => {
    const wire = Buffer.from('\uFEFFone\n\uFEFFtwo\n');
    for (const pieces of [[wire], singles(wire)]) {
      expect(decode(pieces)).toEqual(['one', '\uFEFFtwo']);
    }
  });

  it('drops the CR of a last line without a newline, and no other CR', () => {
    expect(decode([Buffer.from('a\r\r\nb\rc\nd\r')])).toEqual(['a\r', 'b\rc', 'd']);
  });

  it('tells nothing for no bytes, empty pieces or blank lines', () => {
    expect(decode([])).toEqual([]);
    expect(decode([Buffer.alloc(0), Buffer.from('\r\n\n   \n'), Buffer.alloc(0)])).toEqual([]);
  });

  it('does not see what happens to a piece after it was pushed', () => {
    const piece = Buffer.from('kept');
    const told: string[] = [];
    const tell = (line: string): unknown => told.push(line);
    const decoder = new LineDecoder(NO_LIMIT);
    decoder.push(piece, tell);
    piece.fill('!');
    decoder.push(Buffer.from('\n'), tell);
    expect(told).toEqual(['kept']);
  });

  it('takes a line of exactly the limit and refuses one byte more, counted in bytes', () => {
    for (const pieces of [(wire: Buffer) => [wire], singles]) {
      expect(decode(pieces(Buffer.from('世世世\n世世世\n')), 9)).toEqual(['世世世', '世世世']);
      expect(decode(pieces(Buffer.from('世世世\n世世世!\n')), 9)).toEqual([
        '世世世',
        'line_too_long',
      ]);
    }
  });

  it('refuses before the newline comes, after the lines before it were told', () => {
    const told: string[] = [];
    const tell = (line: string): unknown => told.push(line);
    const decoder = new LineDecoder(4);
    expect(() => decoder.push(Buffer.from('one\ntwo\nlong'), tell)).not.toThrow();
    expect(() => decoder.push(Buffer.from('e'), tell)).toThrow(new CastError('line_too_long'));
    expect(told).toEqual(['one', 'two']);

    const inOnePiece: string[] = [];
    const other = new LineDecoder(4);
    expect(() =>
      other.push(Buffer.from('one\ntwo\nlonger\nfour\n'), (line) => inOnePiece.push(line)),
    ).toThrow(new CastError('line_too_long'));
    expect(inOnePiece).toEqual(['one', 'two']);
  });

  it('passes on what the reader of the lines throws', () => {
    const fail = (): never => {
      throw new RangeError('reader');
    };
    expect(() => new LineDecoder(NO_LIMIT).push(Buffer.from('a\n'), fail)).toThrow(RangeError);
  });

  it('reads a million one-byte pieces of one line in linear time', () => {
    // A buffer that is copied for each piece needs minutes of processor time for this; a look on the
    // way ends the test then.
    const count = 1_000_000;
    const told: string[] = [];
    const tell = (line: string): unknown => told.push(line);
    const decoder = new LineDecoder(count);
    const byte = Buffer.from('a');
    const begun = process.cpuUsage();
    for (let sent = 0; sent < count; sent++) {
      decoder.push(byte, tell);
      if (sent % 10_000 === 0) expect(process.cpuUsage(begun).user).toBeLessThan(4_000_000);
    }
    decoder.push(Buffer.from('\n'), tell);
    expect(told.map((line) => line.length)).toEqual([count]);
  });
});
