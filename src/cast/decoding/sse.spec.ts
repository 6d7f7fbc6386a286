import * as fc from 'fast-check';
import { CastError } from '../../protocol/errors.js';
import { SseDecoder } from './sse.js';

/** What the decoder tells, in order; ends with the code where it refuses. */
function decode(pieces: readonly (string | Buffer)[], maxBytes = 1_048_576): string[] {
  const told: string[] = [];
  const decoder = new SseDecoder(
    maxBytes,
    (data) => told.push(data),
    (name, value) => told.push(`field ${name}=${value}`),
  );
  try {
    for (const piece of pieces) decoder.push(Buffer.from(piece));
    decoder.end();
  } catch (error) {
    told.push((error as CastError).code);
  }
  return told;
}

describe('SseDecoder', () => {
  const wire =
    '\uFEFF: hello\r\n\r\ndata: é\nid: 5\nevent: x\n\n:\n\nretry: 9\r\rdata:世\u2028界\ndata: 😀\n\n' +
    'error: {"a":1}\n\ndata\n\ndata: last';
  const told = ['é', '世\u2028界\n😀', 'field error={"a":1}', '', 'last'];

  it('tells the same wherever the bytes are cut, once, twice or everywhere', () => {
    const bytes = Buffer.from(wire);
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second++) {
        expect(
          decode([bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)]),
        ).toEqual(told);
      }
    }
    expect(decode([...bytes.keys()].map((at) => bytes.subarray(at, at + 1)))).toEqual(told);
  });

  it('finds any data again, cut anywhere', () => {
    const data = fc.string({ unit: 'binary' }).map((text) => text.replaceAll(/[\r\n]/g, ''));
    fc.assert(
      fc.property(fc.array(data), fc.array(fc.nat()), (lines, cuts) => {
        const bytes = Buffer.from(lines.map((line) => `data: ${line}\n\n`).join(''));
        const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length];
        ends.sort((a, b) => a - b);
        const pieces = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
        // What is no UTF-8, a lone surrogate, has become U+FFFD when the bytes were made.
        expect(decode(pieces)).toEqual(lines.map((line) => Buffer.from(line).toString()));
      }),
    );
  });

  it('tells an event whose blank line the end cut off, and none that has no data', () => {
    expect(decode(['data: a'])).toEqual(['a']);
    expect(decode(['data: a\r'])).toEqual(['a']);
    expect(decode(['event: x\nid: 1'])).toEqual([]);
    expect(decode([])).toEqual([]);
  });

  it('tells what no longer is UTF-8 with U+FFFD, also where the end cut it off', () => {
    expect(decode([Buffer.from([0x64, 0x61, 0x74, 0x61, 0x3a, 0xff, 0xf0, 0x9f])])).toEqual([
      '\uFFFD\uFFFD',
    ]);
  });

  it('refuses an event that is too long before its end comes, in one piece or in many', () => {
    const long = `data: a\n\ndata: ${'x'.repeat(200)}`;
    expect(decode([long], 100)).toEqual(['a', 'line_too_long']);
    expect(decode(long.split(''), 100)).toEqual(['a', 'line_too_long']);
    const lines = `data: ${'x'.repeat(50)}\n`.repeat(10);
    expect(decode(lines.split(''), 100)).toEqual(['line_too_long']);
  });

  it('lets what the caller throws pass through', () => {
    const decoder = new SseDecoder(
      100,
      () => {
        throw new CastError('upstream_error');
      },
      () => undefined,
    );
    expect(() => decoder.push(Buffer.from('data: a\n\n'))).toThrow(new CastError('upstream_error'));
  });
});
