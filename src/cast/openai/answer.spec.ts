import { decode, eventOf, expectEvents } from '../../../test/support/decoding.js';
import { bytesOf, bytesOnly, titleOf, wireCases } from '../../../test/support/wire-case.js';
import type { CastError } from '../../protocol/errors.js';
import { stringifyExact } from '../../protocol/exact-json.js';
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

  it('has begun with the first piece of a call, not with the role or a ping', () => {
    const decoder = new OpenAiDecoder(1024);
    decoder.push(Buffer.from(':\n\n' + choice({ role: 'assistant', content: '' })), []);
    expect(decoder.hasBegun).toBe(false);
    decoder.push(Buffer.from(choice({ tool_calls: [{ index: 0, function: { name: 'f' } }] })), []);
    expect(decoder.hasBegun).toBe(true);
  });

  it.each(['', ' \n', ':\n\n', 'data:\n\n', 'retry: 10\n\n'])(
    'is truncated where the answer is %j',
    (wire) => {
      expect(events(wire)).toEqual([error('upstream_truncated')]);
    },
  );

  it.each([choice({ content: 'b' }).slice(0, -20), 'data: [DON', 'data'])(
    'is truncated where it ends inside %j',
    (half) => {
      expect(events(choice({ content: 'a' }), half)).toEqual([
        text('a'),
        error('upstream_truncated'),
      ]);
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
    // Together, Anthropic, Cohere; Mistral, Zhipu; Gemini in its own words.
    ['eos', 'stop'],
    ['end_turn', 'stop'],
    ['COMPLETE', 'stop'],
    ['model_length', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['MAX_TOKENS', 'length'],
    ['sensitive', 'content_filter'],
    ['SAFETY', 'content_filter'],
    ['tool_use', 'tool_calls'],
  ])('calls the end %j: %s', (said, reason) => {
    expect(events(choice({}, said), DONE)).toEqual([done(reason)]);
  });

  it.each([
    ['error', 'upstream_error'],
    ['abort', 'upstream_error'],
    // Zhipu, Gemini, DeepSeek.
    ['network_error', 'upstream_error'],
    ['MALFORMED_FUNCTION_CALL', 'upstream_error'],
    ['insufficient_system_resource', 'upstream_busy'],
  ])('takes finish_reason %s for a failure', (reason, code) => {
    expect(events(choice({ content: 'a' }), choice({}, reason), DONE)).toEqual([
      text('a'),
      error(code),
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

  // Milliseconds, and the beginning of 1970.
  const NO_TIMES = [1e18, -1e18, 1e300, 1_767_323_045_000, 0, -1];
  it.each(NO_TIMES)('takes our time for one that is none: created %d', (created) => {
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

    const whole = (index: number, id: string | undefined, name: string, given: string): string =>
      piece(index, { ...(id !== undefined && { id }), function: { name, arguments: given } });
    it.each<[string, string[], object[]]>([
      [
        'each in its chunk, all with index 0 and ids of their own (Gemini)',
        [whole(0, 'a', 'f', '{"x":1}'), whole(0, 'b', 'f', '{"x":2}'), whole(0, 'c', 'g', '')],
        [call('f', { x: 1 }, 'a'), call('f', { x: 2 }, 'b'), call('g', {}, 'c')],
      ],
      [
        'the same without ids',
        [whole(0, undefined, 'f', '{"x":1}'), whole(0, undefined, 'f', '{"x":2}')],
        [call('f', { x: 1 }), call('f', { x: 2 })],
      ],
      [
        'the same with empty ids and other names',
        [whole(0, '', 'f', ''), whole(0, '', 'g', '{}')],
        [call('f'), call('g')],
      ],
      [
        'in two chunks without an index',
        [
          choice({ tool_calls: [{ id: 'a', function: { name: 'f', arguments: '{}' } }] }),
          choice({ tool_calls: [{ id: 'b', function: { name: 'f', arguments: '{}' } }] }),
        ],
        [call('f', {}, 'a'), call('f', {}, 'b')],
      ],
      [
        'in lists of which each begins at 0',
        [
          choice({ tool_calls: [{ index: 0, id: 'a', function: { name: 'f' } }] }),
          choice({
            tool_calls: [
              { index: 0, id: 'b', function: { name: 'g' } },
              { index: 1, id: 'c', function: { name: 'h' } },
            ],
          }),
        ],
        [call('f', {}, 'a'), call('g', {}, 'b'), call('h', {}, 'c')],
      ],
    ])('that come whole are as many as they are: %s', (_what, frames, calls) => {
      expect(events(...frames, STOP, DONE)).toEqual([
        { type: 'tool_calls', calls },
        done('tool_calls'),
      ]);
    });

    it.each<[string, (n: number) => object]>([
      ['the same id and name', () => ({ id: 'a', name: 'f' })],
      ['a new id (old vLLM)', (n) => ({ id: `id-${n}` })],
      ['a new id and the same name', (n) => ({ id: `id-${n}`, name: 'f' })],
      ['the same name', () => ({ name: 'f' })],
    ])('in pieces are one call, also where each piece has %s', (_what, more) => {
      const frames = ['{"x"', ':', '1}'].map((given, n) => {
        const { id, name } = { name: n === 0 ? 'f' : undefined, ...more(n) } as {
          id?: string;
          name?: string;
        };
        return piece(0, { id, function: { name, arguments: given } });
      });
      expect(events(...frames, STOP, DONE)).toMatchObject([
        { type: 'tool_calls', calls: [{ name: 'f', arguments: { x: 1 } }] },
        done('tool_calls'),
      ]);
    });

    it('keep every digit of their numbers', () => {
      const given = '{"id":12345678901234567890,"n":7}';
      const parts = read([Buffer.from(whole(0, 'a', 'f', given) + STOP + DONE)]);
      expect(stringifyExact(parts)).toContain(`"arguments":${given}`);
      expect(JSON.stringify(parts)).toContain('"arguments":{"id":"12345678901234567890","n":7}');
    });

    it('may have an object for arguments, which keeps every digit too', () => {
      const frame = choice({ tool_calls: [{ function: { name: 'f', arguments: { id: 7 } } }] });
      const wire = frame.replace('"id":7', '"id":12345678901234567890') + STOP + DONE;
      expect(stringifyExact(read([Buffer.from(wire)]))).toContain(
        '"arguments":{"id":12345678901234567890}',
      );
      const whole = wire.slice('data: '.length, wire.indexOf('\n')).replace('delta', 'message');
      expect(stringifyExact(read([Buffer.from(whole.replace('null', '"stop"'))]))).toContain(
        '"arguments":{"id":12345678901234567890}',
      );
    });

    it('with one index, whose pieces come by turns, are told apart by their ids', () => {
      expect(
        events(
          whole(0, 'a', 'f', '{"x":'),
          whole(0, 'b', 'g', ''),
          whole(0, 'a', '', '1}'),
          whole(0, 'b', '', '{"y":2}'),
          STOP,
          DONE,
        ),
      ).toMatchObject([
        { type: 'tool_calls', calls: [{ name: 'f', arguments: { x: 1 } }, { name: 'g' }] },
        done('tool_calls'),
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

  it.each([
    { code: 1305, message: 'm' },
    { object: 'error', message: 'm' },
    { error_code: 7, error_msg: 'm' },
    { base_resp: { status_code: 1000, status_msg: 'm' }, choices: null },
    { choices: [{ delta: {}, error: { message: 'm' }, finish_reason: 'error' }] },
    { choices: [{ delta: {}, error: 'm' }] },
    { message: 'm', request_id: 'r' },
    { msg: 'm' },
    { error_msg: 'm', id: 'x' },
  ])('fails with an error of another form, whatever [DONE] says: %j', (frame) => {
    expect(events(data(frame), DONE)).toEqual([error('upstream_error')]);
  });

  it('fails with an event of type error', () => {
    const wire = `event: error\n${data({ message: 'm', code: 429 })}`;
    expect(events(choice({ content: 'a' }), wire, DONE)).toEqual([
      text('a'),
      error('upstream_rate_limited'),
    ]);
  });

  describe('content in parts', () => {
    const part = (said: unknown): string => choice({ content: said });
    it.each<[string, unknown, object[]]>([
      ['text', [{ type: 'text', text: 'a' }], [text('a')]],
      ['a bare text', ['a'], [text('a')]],
      ['one part', { type: 'text', text: 'a' }, [text('a')]],
      ['another name of text', [{ type: 'output_text', text: 'a' }], [text('a')]],
      [
        'thinking and text (Mistral)',
        [
          { type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] },
          { type: 'text', text: 'a' },
        ],
        [{ type: 'thinking', text: 'hm' }, text('a')],
      ],
      [
        'thinking as text',
        [{ type: 'thinking', thinking: 'hm' }],
        [{ type: 'thinking', text: 'hm' }],
      ],
      ['reasoning', [{ type: 'reasoning', text: 'hm' }], [{ type: 'thinking', text: 'hm' }]],
      ['a refusal', [{ type: 'refusal', refusal: 'no' }], [{ type: 'refusal', text: 'no' }]],
      ['what has no text', [{ type: 'reference', reference_ids: [1] }, 'a'], [text('a')]],
      ['nothing', [], []],
    ])('is read by part: %s', (_what, said, expected) => {
      expect(events(part(said), STOP, DONE)).toEqual([...expected, done()]);
    });

    it('is read as thinking where the thinking is a list', () => {
      const said = [{ type: 'reasoning.text', text: 'hm' }];
      expect(events(choice({ reasoning_details: said }), STOP, DONE)).toEqual([
        { type: 'thinking', text: 'hm' },
        done(),
      ]);
    });

    const deep: unknown = JSON.parse(`${'['.repeat(12)}"a"${']'.repeat(12)}`);
    it.each([{ said: [7] }, { said: [{ x: 1 }] }, { said: { x: 1 } }, { said: deep }])(
      'that is neither text nor a part is refused: %j',
      ({ said }) => {
        expect(events(part(said), DONE)).toEqual([error('upstream_protocol_error')]);
      },
    );
  });

  describe('the whole message once more', () => {
    const usage = { prompt_tokens: 9, completion_tokens: 2 };
    const last = (message: object): string =>
      data({
        object: 'chat.completion',
        choices: [{ finish_reason: 'stop', message }],
        usage,
        base_resp: { status_code: 0, status_msg: '' },
      });
    const end = { type: 'done', reason: 'stop', usage: { prompt: 9, completion: 2 } };

    it('is told once (MiniMax)', () => {
      const again = last({ role: 'assistant', content: 'ab', reasoning_content: 'hm' });
      expect(
        events(
          choice({ reasoning_content: 'hm' }),
          choice({ content: 'a' }),
          choice({ content: 'b' }, 'stop'),
          again,
          DONE,
        ),
      ).toEqual([{ type: 'thinking', text: 'hm' }, text('a'), text('b'), end]);
    });

    it('is told once with its tool calls', () => {
      const calls = [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }];
      const delta = choice({ tool_calls: [{ index: 0, ...calls[0] }] });
      expect(events(delta, last({ content: '', tool_calls: calls }), DONE)).toMatchObject([
        { type: 'tool_calls', calls: [{ id: 'c' }] },
        { type: 'done' },
      ]);
    });

    it('is read where no delta told it', () => {
      expect(events(choice({ reasoning_content: 'hm' }), last({ content: 'ab' }), DONE)).toEqual([
        { type: 'thinking', text: 'hm' },
        text('ab'),
        end,
      ]);
    });

    it('is told once where it is the delta of a frame that is no chunk', () => {
      const chunk = { object: 'chat.completion.chunk' };
      expect(
        events(
          choice({ content: 'a' }, null, chunk),
          choice({ content: 'b' }, null, chunk),
          choice({ content: 'ab' }, 'stop', { object: 'chat.completion' }),
          DONE,
        ),
      ).toEqual([text('a'), text('b'), done()]);
    });

    it('is no repetition where the server calls every frame a completion', () => {
      const frame = { object: 'chat.completion' };
      expect(
        events(
          choice({ content: 'a' }, null, frame),
          choice({ content: 'b' }, 'stop', frame),
          DONE,
        ),
      ).toEqual([text('a'), text('b'), done()]);
    });

    it('is no repetition where the server writes message for delta', () => {
      const message = (content: string): string => data({ choices: [{ message: { content } }] });
      expect(events(message('a'), message('b'), STOP, DONE)).toEqual([
        text('a'),
        text('b'),
        done(),
      ]);
    });
  });

  it("reads llama.cpp's timings as statistics", () => {
    const timings = { prompt_n: 36, prompt_ms: 199.5, predicted_n: 8, predicted_ms: 90.912 };
    const parts = read([
      Buffer.from(choice({ content: 'a' }, 'stop') + data({ choices: [], timings }) + DONE),
    ]);
    expect(parts.at(-1)).toMatchObject({
      statistics: {
        prompt_eval_count: 36,
        prompt_eval_duration: 199_500_000,
        eval_count: 8,
        eval_duration: 90_912_000,
      },
    });
  });

  it('tells thinking inside the text apart, unless told not to', () => {
    const frames = ['<thi', 'nk>\nhm</', 'think>\n\nYes'].map((content) => choice({ content }));
    expect(events(...frames, STOP, DONE)).toEqual([
      { type: 'thinking', text: 'hm' },
      text('Yes'),
      done(),
    ]);
    const wire = Buffer.from(frames.join('') + STOP + DONE);
    const plain = decode(new OpenAiDecoder(1024, false), [wire]).map(eventOf);
    expect(plain).toEqual([text('<thi'), text('nk>\nhm</'), text('think>\n\nYes'), done()]);
  });

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
    ['arguments that are a list', choice({ tool_calls: [{ function: { arguments: [] } }] })],
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
