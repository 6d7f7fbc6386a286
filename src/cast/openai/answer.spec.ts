import { decode, eventOf, expectEvents } from '../../../test/support/decoding.js';
import { bytesOf, bytesOnly, titleOf, wireCases } from '../../../test/support/wire-case.js';
import type { CastError } from '../../protocol/errors.js';
import { OpenAiDecoder } from './answer.js';
import type { Part } from '../part.js';

const read = (pieces: readonly Buffer[], maxBytes = 8_388_608): (Part | CastError)[] =>
  decode(new OpenAiDecoder(maxBytes), pieces);
const data = (said: unknown): string =>
  `data: ${typeof said === 'string' ? said : JSON.stringify(said)}\n\n`;
const choice = (delta: object, finish: unknown = null, more: object = {}): string =>
  data({ created: 1_767_323_045, choices: [{ delta, finish_reason: finish }], ...more });
const events = (...frames: string[]): Record<string, unknown>[] =>
  read(frames.map((frame) => Buffer.from(frame))).map(eventOf);
/** Each on its own; of ASCII only. */
const letters = (wire: string): string[] => wire.split('');
const text = (said: string): object => ({ type: 'text', text: said });
const done = (reason = 'stop'): object => ({ type: 'done', reason, usage: null });
const error = (code: string): object => ({ type: 'error', code });
const STOP = choice({}, 'stop');
const DONE = data('[DONE]');

describe('OpenAiDecoder reads each wire case', () => {
  const given = bytesOnly(wireCases('sse', '/v1/chat/completions'));
  it.each(given.map((wire) => [titleOf(wire), wire] as const))('%s', (_title, wire) =>
    expectEvents(wire, wire.fragments.map(bytesOf), read),
  );
});

describe('OpenAiDecoder', () => {
  it('reads the same wherever multi-byte text is cut, in two', () => {
    const wire = Buffer.from(choice({ content: 'é世😀\u2028\u0085' }) + STOP + DONE);
    for (let at = 0; at <= wire.length; at++) {
      expect(read([wire.subarray(0, at), wire.subarray(at)]).map(eventOf)).toEqual([
        text('é世😀\u2028\u0085'),
        done(),
      ]);
    }
  });

  it.each(['\n', '\r\n', '\r'])('takes %j for the end of a line', (end) => {
    const wire = (choice({ content: 'a' }) + STOP + DONE).replaceAll('\n', end);
    expect(events(wire)).toEqual([text('a'), done()]);
    expect(events(...letters(wire))).toEqual([text('a'), done()]);
  });

  it('joins a character whose halves stand in two chunks, and gives a lone half at the end', () => {
    const half = (json: string): string => data(`{"choices":[{"delta":{"content":"${json}"}}]}`);
    expect(events(half('a\\ud83d'), half('\\ude00\\ud83e'), STOP, DONE)).toEqual([
      text('a'),
      text('😀'),
      text('\ud83e'),
      done(),
    ]);
  });

  it('is done with [DONE] also where no finish_reason came, and reads nothing behind it', () => {
    expect(events(choice({ content: 'a' }), DONE, 'garbage', data('{broken'))).toEqual([
      text('a'),
      done('unknown'),
    ]);
  });

  it('is complete with a finish_reason and a clean end', () => {
    expect(events(choice({ content: 'a' }), STOP)).toEqual([text('a'), done()]);
  });

  it('does not take an empty finish_reason, as some servers write for null, for one', () => {
    expect(events(choice({ content: 'a' }, ''))).toEqual([text('a'), error('upstream_truncated')]);
  });

  it.each(['', ' \n', ':\n\n', 'data:\n\n', 'retry: 10\n\n'])(
    'is truncated where the answer is %j',
    (wire) => {
      expect(events(wire)).toEqual([error('upstream_truncated')]);
    },
  );

  it('takes the usage behind the finish_reason, and reads on for it', () => {
    const usage = { prompt_tokens: 9, completion_tokens: 2 };
    expect(events(STOP, data({ choices: [], usage }), DONE)).toEqual([
      { type: 'done', reason: 'stop', usage: { prompt: 9, completion: 2 } },
    ]);
  });

  it.each([
    ['usage', data({ choices: [], usage: {} }), true],
    ['an empty chunk', choice({ content: '' }), true],
    ['a ping', ':\n\n', true],
    ['text', choice({ content: 'b' }, 'stop'), false],
    ['thinking', choice({ reasoning_content: 'b' }, 'stop'), false],
    ['a tool call', choice({ tool_calls: [{ function: { name: 'f' } }] }, 'stop'), false],
  ])('says behind a finish_reason and %s whether it is whole', (_what, wire, isWhole) => {
    const decoder = new OpenAiDecoder(1024);
    decoder.push(Buffer.from(choice({ content: 'a' })), []);
    expect(decoder.isWhole).toBe(false);
    decoder.push(Buffer.from(choice({ content: 'a' }, 'stop')), []);
    expect(decoder.isWhole).toBe(true);
    decoder.push(Buffer.from(wire), []);
    expect(decoder.isWhole).toBe(isWhole);
  });

  it.each([
    ['length', 'length'],
    ['content_filter', 'content_filter'],
    ['function_call', 'tool_calls'],
    ['something new', 'unknown'],
  ])('calls the end %j: %s', (said, reason) => {
    expect(events(choice({}, said), DONE)).toEqual([done(reason)]);
  });

  it.each(['error', 'abort'])('takes finish_reason %s for a failure', (reason) => {
    expect(events(choice({ content: 'a' }), choice({}, reason), DONE)).toEqual([
      text('a'),
      error('upstream_error'),
    ]);
  });

  it('gives each part the time of its chunk, or ours where it says none', () => {
    const parts = read([Buffer.from(choice({ content: 'a' })), Buffer.from(DONE)]);
    expect(parts).toMatchObject([
      { createdAt: '2026-01-02T03:04:05.000Z' },
      { createdAt: '2026-01-02T03:04:05.000Z' },
    ]);
    const [untimed] = read([Buffer.from(data({ choices: [{ delta: { content: 'a' } }] }))]);
    expect(untimed).toMatchObject({ createdAt: expect.stringMatching(/^20.+Z$/) });
  });

  it('gives the end a time also where no chunk came before it', () => {
    const [part] = read([Buffer.from(DONE)]);
    expect(part).toMatchObject({ type: 'done', createdAt: expect.stringMatching(/^20.+Z$/) });
  });

  it.each([1e18, -1e18, 1e300])('takes our time for one that is none: created %d', (created) => {
    const parts = read([Buffer.from(choice({ content: 'a' }, 'stop', { created }) + DONE)]);
    expect(parts).toMatchObject([
      { type: 'text', createdAt: expect.stringMatching(/^20.+Z$/) },
      { type: 'done' },
    ]);
  });

  describe('tool calls', () => {
    const piece = (index: number | undefined, more: object): string =>
      choice({ tool_calls: [{ ...(index !== undefined && { index }), ...more }] });
    const call = (name: string, given: object = {}, id: string | null = null): object => ({
      id,
      name,
      arguments: given,
    });

    it('come whole at the end, also where the upstream says stop', () => {
      expect(
        events(
          piece(0, { id: 'c', function: { name: 'f', arguments: '{"a":' } }),
          choice({ content: 'between' }),
          piece(0, { function: { arguments: '"é"}' } }),
          STOP,
          DONE,
        ),
      ).toEqual([
        text('between'),
        { type: 'tool_calls', calls: [call('f', { a: 'é' }, 'c')] },
        done('tool_calls'),
      ]);
    });

    it('without an index are told apart by their place', () => {
      const calls = [{ function: { name: 'a' } }, { function: { name: 'b' } }];
      expect(events(choice({ tool_calls: calls }, 'tool_calls'), DONE)).toEqual([
        { type: 'tool_calls', calls: [call('a'), call('b')] },
        done('tool_calls'),
      ]);
    });

    it('of the old kind, function_call, are calls too', () => {
      const old = { name: 'f', arguments: '{"a":1}' };
      expect(events(choice({ function_call: old }, 'function_call'), DONE)).toEqual([
        { type: 'tool_calls', calls: [call('f', { a: 1 })] },
        done('tool_calls'),
      ]);
    });

    it.each([
      ['no arguments', { name: 'f', arguments: '{"a"' }],
      ['an array', { name: 'f', arguments: '[1]' }],
      ['a text', { name: 'f', arguments: '"x"' }],
      ['no name', { arguments: '{}' }],
    ])('that are not whole are never handed over: %s', (_what, called) => {
      expect(events(piece(0, { function: called }), STOP, DONE)).toEqual([
        error('tool_call_incomplete'),
      ]);
    });

    it('have a limit, also in many small pieces', () => {
      const pieces = Array.from({ length: 40 }, () =>
        Buffer.from(piece(0, { function: { arguments: 'x'.repeat(50) } })),
      );
      expect(read(pieces, 1024).map(eventOf)).toEqual([error('line_too_long')]);
    });
  });

  it.each([
    ['an error frame', data({ error: { message: 'x', code: 500 } }), 'upstream_error'],
    ['one with a status', data({ error: { message: 'slow', code: 429 } }), 'upstream_rate_limited'],
    ['a bare text', data({ error: 'CUDA out of memory' }), 'upstream_out_of_memory'],
    ['the old field', 'error: {"code":503,"message":"Loading model"}\n\n', 'upstream_loading'],
    ['a field that is no JSON', 'error: went wrong\n\n', 'upstream_error'],
    [
      'one nested without end',
      data(`{"error":${'['.repeat(9_000)}${']'.repeat(9_000)}}`),
      'upstream_error',
    ],
  ])(
    'ends with %s, which wins over a finish_reason before and [DONE] behind it',
    (_, wire, code) => {
      expect(events(choice({ content: 'a' }), STOP, wire, DONE)).toEqual([text('a'), error(code)]);
    },
  );

  it('does not take `error: null` for an error', () => {
    expect(events(choice({ content: 'a' }, 'stop', { error: null }))).toEqual([text('a'), done()]);
  });

  it.each([
    ['no object', data('[]')],
    ['no JSON', data('hello')],
    ['choices that are no list', data({ choices: {} })],
    ['a choice that is no object', data({ choices: ['x'] })],
    ['a delta that is no object', data({ choices: [{ delta: 'x' }] })],
    ['content that is no text', choice({ content: 7 })],
    ['tool calls that are no list', choice({ tool_calls: {} })],
    ['a tool call that is no object', choice({ tool_calls: ['x'] })],
    ['a function that is no object', choice({ tool_calls: [{ function: 'x' }] })],
    ['arguments that are no text', choice({ tool_calls: [{ function: { arguments: {} } }] })],
  ])('refuses what is not of the protocol, and skips nothing: %s', (_what, wrong) => {
    expect(events(choice({ content: 'a' }), wrong, choice({ content: 'b' }), DONE)).toEqual([
      text('a'),
      error('upstream_protocol_error'),
    ]);
  });

  describe('a JSON body in spite of stream', () => {
    const message = { content: 'whole', tool_calls: [{ id: 'c', function: { name: 'f' } }] };
    const body = JSON.stringify({ choices: [{ message, finish_reason: 'stop' }] });

    it('is read as one answer, behind blanks and in pieces', () => {
      expect(events(' \r\n', ...letters(body))).toMatchObject([
        { type: 'text', text: 'whole' },
        { type: 'tool_calls', calls: [{ id: 'c', name: 'f', arguments: {} }] },
        { type: 'done', reason: 'tool_calls' },
      ]);
    });

    it('that holds an error is that error', () => {
      expect(events('{"error":{"message":"no","code":401}}')).toEqual([
        error('upstream_unauthorized'),
      ]);
    });

    it('that is cut off is no success', () => {
      const [only, ...more] = events(body.slice(0, -5));
      expect(more).toEqual([]);
      expect(['upstream_truncated', 'upstream_protocol_error']).toContain(only?.['code']);
      expect(events('{}')).toEqual([error('upstream_truncated')]);
    });

    it('has a limit', () => {
      expect(read([Buffer.from(body), Buffer.from(' '.repeat(1024))], 1024).map(eventOf)).toEqual([
        error('line_too_long'),
      ]);
    });
  });

  it('has a limit for an event, before its end comes', () => {
    const wire = [Buffer.from(choice({ content: 'a' })), Buffer.from(`data: ${'x'.repeat(2000)}`)];
    expect(read(wire, 1024).map(eventOf)).toEqual([text('a'), error('line_too_long')]);
  });
});
