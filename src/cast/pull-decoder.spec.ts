import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { CastError } from '../errors.js';
import type { Part } from './part.js';
import { PullDecoder } from './pull-decoder.js';

/** What this spec reads of `test/fixtures/wire-cases.json`; the whole is in `test/support`. */
interface Case {
  id: string;
  endpoint: string;
  note: string;
  fragments: { text: string }[];
  expect: { events: Record<string, unknown>[] };
}

const file = new URL('../../test/fixtures/wire-cases.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: Case[] };
const pulls = cases.filter(({ endpoint }) => endpoint === '/api/pull');

/** Reads as `exchange` does: nothing more once the decoder is done or has refused. */
function read(pieces: readonly (string | Buffer)[], maxLineBytes = 65_536): (Part | CastError)[] {
  const decoder = new PullDecoder(maxLineBytes);
  const parts: Part[] = [];
  try {
    for (const piece of pieces) if (!decoder.done) decoder.push(Buffer.from(piece), parts);
    if (!decoder.done) decoder.end(parts);
  } catch (error) {
    if (!decoder.done) return [...parts, error as CastError];
  }
  return parts;
}

const seen = (pieces: readonly (string | Buffer)[], maxLineBytes?: number): object[] =>
  read(pieces, maxLineBytes).map((said) =>
    said instanceof CastError
      ? { type: 'error', code: said.code, retryable: said.retryable }
      : said.type === 'progress'
        ? { status: said.status, completed: said.completed }
        : { type: said.type },
  );
const step = (status: string): object => ({ status, completed: null });

describe('PullDecoder', () => {
  it.each(pulls.map((wire) => [wire.id, wire.note, wire] as const))(
    'reads wire case %s: %s',
    (_id, _note, wire) => {
      const pieces = wire.fragments.map(({ text }) => Buffer.from(text));
      const bytes = Buffer.concat(pieces);
      const expected = wire.expect.events.map(({ type, code, ...event }) =>
        type === 'error' ? { code } : { type, ...event },
      );
      const check = (cutUp: readonly Buffer[]): void =>
        expect(read(cutUp)).toEqual(expected.map((event) => expect.objectContaining(event)));

      check(pieces);
      check([bytes]);
      check([...bytes.keys()].map((at) => bytes.subarray(at, at + 1)));
      fc.assert(
        fc.property(fc.array(fc.nat({ max: bytes.length }), { maxLength: 20 }), (at) => {
          const ends = [...at.toSorted((a, b) => a - b), bytes.length];
          check(ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end)));
        }),
        { numRuns: 30 },
      );
    },
  );

  it('is done with success and reads nothing behind it', () => {
    expect(seen(['{"status":"a"}\n{"status":"success"}\n{"status":"b"}\ngarbage'])).toEqual([
      step('a'),
      { type: 'done' },
    ]);
  });

  it('takes a last line without a newline', () => {
    expect(seen(['{"status":"success"}'])).toEqual([{ type: 'done' }]);
  });

  it.each(['', '{"status":"a"}\n', '{"status":"a"}\n{"stat'])(
    'is truncated, and may be tried again, where success never came: %j',
    (wire) => {
      expect(seen([wire]).at(-1)).toEqual({
        type: 'error',
        code: 'upstream_truncated',
        retryable: true,
      });
    },
  );

  it('counts a zero that Ollama leaves out, and none where there is no total', () => {
    expect(seen(['{"status":"a","total":5}\n{"status":"b"}\n']).slice(0, 2)).toEqual([
      { status: 'a', completed: 0 },
      step('b'),
    ]);
  });

  it.each(['[]', '"success"', '{"status":7}', '{"status":"a","digest":{}}', 'pulling'])(
    'refuses a line that Ollama would not write: %s',
    (wrong) => {
      expect(seen([`{"status":"a"}\n${wrong}\n{"status":"success"}\n`])).toMatchObject([
        step('a'),
        { code: 'upstream_protocol_error' },
      ]);
    },
  );

  it('counts its own limit on a line', () => {
    expect(seen([`{"status":"${'x'.repeat(100)}`], 64)).toMatchObject([{ code: 'line_too_long' }]);
  });
});
