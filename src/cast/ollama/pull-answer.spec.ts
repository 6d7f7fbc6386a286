import { decode, expectEvents } from '../../../test/support/decoding.js';
import { bytesOf, titleOf, wireCases } from '../../../test/support/wire-case.js';
import { CastError } from '../../protocol/errors.js';
import type { Part } from '../part.js';
import { PullDecoder } from './pull-answer.js';

const read = (pieces: readonly (string | Buffer)[], maxLineBytes = 65_536): (Part | CastError)[] =>
  decode(new PullDecoder(maxLineBytes), pieces);
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
  const given = wireCases('ndjson', '/api/pull');
  it.each(given.map((wire) => [titleOf(wire), wire] as const))(
    'reads wire case %s',
    (_title, wire) => expectEvents(wire, wire.fragments.map(bytesOf), read),
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
