import { decode, eventOf, expectEvents } from '../../../test/support/decoding.js';
import { bytesOf, bytesOnly, titleOf, wireCases } from '../../../test/support/wire-case.js';
import { CastError } from '../../protocol/errors.js';
import { stringifyExact } from '../../protocol/exact-json.js';
import { loadConfig } from '../../config/load.js';
import type { ModelRequest } from '../model-request.js';
import { ollama, ollamaBody } from './dialect.js';
import { OllamaDecoder } from './answer.js';
import type { Part } from '../part.js';

const read = (pieces: readonly Buffer[], maxLineBytes = 8_388_608): (Part | CastError)[] =>
  decode(new OllamaDecoder(maxLineBytes), pieces);
const line = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value)}\n`);
const DONE = { message: { role: 'assistant', content: '' }, done: true, done_reason: 'stop' };
const events = (...values: unknown[]): Record<string, unknown>[] =>
  read(values.map(line)).map(eventOf);
const text = (said: string): Record<string, unknown> => ({ type: 'text', text: said });
const done = (reason = 'stop'): Record<string, unknown> => ({ type: 'done', reason, usage: null });

describe('OllamaDecoder reads each wire case', () => {
  const given = bytesOnly(wireCases('ndjson', '/api/generate', '/api/chat'));
  it.each(given.map((wire) => [titleOf(wire), wire] as const))('%s', (_title, wire) =>
    expectEvents(wire, wire.fragments.map(bytesOf), read),
  );
});

describe('OllamaDecoder', () => {
  const chat = (content: string, more: object = {}): object => ({ message: { content, ...more } });

  it('joins a character whose halves stand on two lines, in text and in thinking', () => {
    const lines = [
      '{"response":"a\\ud83d","thinking":"b\\ud83e"}',
      '{"response":"\\ude00","thinking":"\\udd14"}',
      '{"done":true,"done_reason":"stop"}',
    ];
    expect(read([Buffer.from(lines.join('\n'))]).map(eventOf)).toEqual([
      { type: 'thinking', text: 'b' },
      text('a'),
      { type: 'thinking', text: '🤔' },
      text('😀'),
      done(),
    ]);
  });

  it('gives a half that stays alone with the last line', () => {
    const lines = '{"response":"a\\ud83d"}\n{"done":true,"done_reason":"stop"}\n';
    expect(read([Buffer.from(lines)]).map(eventOf)).toEqual([text('a'), text('\ud83d'), done()]);
  });

  it.each<[string, object]>([
    ['a done_reason', { done_reason: 'stop' }],
    ['a done_reason and done: false', { done_reason: 'stop', done: false }],
  ])('is complete where the last line has %s and no done', (_what, last) => {
    const end = { type: 'done', reason: 'stop', usage: null };
    expect(events({ response: 'a' }, { response: 'b', ...last })).toEqual([
      text('a'),
      text('b'),
      end,
    ]);
    expect(events({ response: 'a' }, { response: '', ...last })).toEqual([text('a'), end]);
  });

  it('is complete where the last line has durations and no done', () => {
    expect(events({ response: 'a' }, { total_duration: 5, eval_count: 2 })).toEqual([
      text('a'),
      { type: 'done', reason: 'unknown', usage: { prompt: 0, completion: 2 } },
    ]);
  });

  it.each([
    ['text follows', [{ response: 'a', done_reason: 'stop' }, { response: 'b' }]],
    ['the reason is empty', [{ response: 'a', done_reason: '' }]],
    ['the reason is null', [{ response: 'a', done_reason: null }]],
  ])('is truncated where %s', (_what, lines) => {
    expect(events(...lines).at(-1)).toEqual({ type: 'error', code: 'upstream_truncated' });
  });

  it('says behind a done_reason without done whether it is whole', () => {
    const decoder = new OllamaDecoder(1024);
    decoder.push(line({ response: 'a' }), []);
    expect(decoder.isWhole).toBe(false);
    decoder.push(line({ response: '', done_reason: 'stop' }), []);
    expect([decoder.isWhole, decoder.done]).toEqual([true, false]);
    const parts: Part[] = [];
    decoder.push(line({ response: '', done: true, done_reason: 'length' }), parts);
    expect(parts).toMatchObject([{ type: 'done', reason: 'length' }]);
  });

  it('tells thinking inside the text apart, unless told not to', () => {
    const lines = ['<thi', 'nk>hm</th', 'ink> Yes'].map((response) => ({ response }));
    expect(events(...lines, DONE)).toEqual([{ type: 'thinking', text: 'hm' }, text('Yes'), done()]);
    const plain = decode(new OllamaDecoder(1024, false), [...lines, DONE].map(line)).map(eventOf);
    expect(plain[0]).toEqual(text('<thi'));
  });

  it('keeps every digit of the numbers in tool calls', () => {
    const calls = '[{"function":{"name":"f","arguments":{"id":12345678901234567890}}}]';
    const parts = read([
      Buffer.from(`{"message":{"content":"","tool_calls":${calls}}}\n`),
      line(DONE),
    ]);
    expect(stringifyExact(parts)).toContain('"arguments":{"id":12345678901234567890}');
  });

  it("gives each part the upstream's time, or ours where it says none", () => {
    const at = '2026-01-02T03:04:05.6Z';
    const parts = read([line({ response: 'a', created_at: at }), line({ response: 'b' })]);
    expect(parts).toMatchObject([
      { createdAt: at },
      { createdAt: expect.stringMatching(/^20.+Z$/) },
      new CastError('upstream_truncated'),
    ]);
  });

  it("keeps Ollama's statistics and nothing else of the last line", () => {
    const statistics = { total_duration: 5, load_duration: 4, eval_count: 3, eval_duration: 2 };
    const parts = read([line({ ...DONE, ...statistics, context: [1], logprobs: [], x: 1 })]);
    expect(parts).toEqual([
      {
        type: 'done',
        reason: 'stop',
        // A count of zero is left out by Ollama.
        usage: { promptTokens: 0, completionTokens: 3 },
        statistics,
        createdAt: expect.any(String),
      },
    ]);
  });

  it.each([
    ['length', 'length'],
    ['load', 'load'],
    ['unload', 'unload'],
    ['something new', 'unknown'],
    [7, 'unknown'],
  ])('calls the end %j: %s', (said, reason) => {
    expect(events({ ...DONE, done_reason: said })).toEqual([done(reason)]);
  });

  describe('tool calls', () => {
    const call = (name: string, more: object = {}): object => ({
      function: { name, arguments: {}, ...more },
    });
    const calls = (...names: string[]): object => ({
      type: 'tool_calls',
      calls: names.map((name) => ({ id: null, name, arguments: {} })),
    });

    it('stand on one line or on several, before the end or on the last line', () => {
      expect(events(chat('', { tool_calls: [call('a'), call('b')] }), DONE)).toEqual([
        calls('a', 'b'),
        done('tool_calls'),
      ]);
      const last = { message: { content: 'x', tool_calls: [call('b')] }, done: true };
      expect(
        events(chat('', { tool_calls: [call('a')] }), { ...last, done_reason: 'stop' }),
      ).toEqual([calls('a'), text('x'), calls('b'), done('tool_calls')]);
    });

    it("of /api/generate stand beside the answer, as Ollama's last line has them", () => {
      expect(
        events({ response: '', tool_calls: [call('a')], done: true, done_reason: 'stop' }),
      ).toEqual([calls('a'), done('tool_calls')]);
    });

    it('leave the reason of an answer that was cut off', () => {
      expect(
        events(chat('', { tool_calls: [call('a')] }), { ...DONE, done_reason: 'length' }),
      ).toEqual([calls('a'), done('length')]);
    });

    it('that are empty or null are none', () => {
      expect(events(chat('', { tool_calls: [] }), chat('a', { tool_calls: null }), DONE)).toEqual([
        text('a'),
        done(),
      ]);
    });

    it('lose the fields that are not known', () => {
      const [part] = read([
        line(chat('', { tool_calls: [call('a', { index: 0, strict: true })] })),
      ]);
      expect(part).toMatchObject({ calls: [{ function: { index: 0 } }] });
      expect(JSON.stringify(part)).not.toContain('strict');
    });

    it.each([
      { name: 'f' },
      [{ name: 'f', arguments: {} }],
      [{ function: { arguments: {} } }],
      [{ function: { name: 'f', arguments: '{"city":"Oslo"}' } }],
      [{ function: { name: 'f', arguments: [] } }],
      [{ id: 7, function: { name: 'f', arguments: {} } }],
      'none',
    ])('of another shape are refused: %j', (toolCalls) => {
      expect(events(chat('a', { tool_calls: toolCalls }), DONE).at(-1)).toEqual({
        type: 'error',
        code: 'upstream_protocol_error',
      });
    });
  });

  it.each([
    ['[]'],
    ['[{"response":"x"}]'],
    ['"response"'],
    ['null'],
    ['true'],
    ['42'],
    ['data: {"response":"x"}'],
    ['{"response":"x"'],
    ['{"response":7}'],
    ['{"response":["x"]}'],
    ['{"thinking":{}}'],
    ['{"message":"x"}'],
    ['{"message":["x"]}'],
    ['{"message":{"content":[{"type":"text","text":"x"}]}}'],
    ['{"message":{"content":"","thinking":1}}'],
    ['{"response":"x","created_at":1767323045}'],
    ['{"response":"x","done":"true"}'],
    ['{"response":"x","done":1}'],
  ])('refuses a line that Ollama would not write, and skips nothing: %s', (wrong) => {
    const wire = Buffer.from(`{"response":"before"}\n${wrong}\n{"response":"after"}\n`);
    expect(read([wire]).map(eventOf)).toEqual([
      text('before'),
      { type: 'error', code: 'upstream_protocol_error' },
    ]);
  });

  it.each([
    ['{"error":"server busy"}\n', 'upstream_error', true],
    ['{"error":"cudaMalloc failed: out of memory"}', 'upstream_out_of_memory', true],
    ['{"StatusCode":429,"Status":"429 Too Many","error":"slow"}', 'upstream_rate_limited', true],
    ['{"StatusCode":401,"error":"unauthorized"}', 'upstream_unauthorized', false],
    ['{"error":{"message":"decode failed"}}\n', 'upstream_error', true],
    ['{"error":""}\n', 'upstream_error', true],
  ])('reads an error line, with a newline or without: %s', (said, code, retryable) => {
    const parts = read([line({ response: 'a' }), Buffer.from(said)]);
    expect(parts).toMatchObject([{ text: 'a' }, { code, retryable }]);
  });

  it('survives an error that is nested without end', () => {
    const parts = read([Buffer.from(`{"error":${'['.repeat(9_000)}${']'.repeat(9_000)}}`)]);
    expect(parts).toMatchObject([{ code: 'upstream_error' }]);
  });

  it.each([null, '', false])('does not take `error: %j` of an answer for an error', (error) => {
    expect(events({ response: 'a', error }, { done: true, error })).toEqual([
      text('a'),
      done('unknown'),
    ]);
  });

  it('counts its own limit on a line before the newline comes', () => {
    const wire = [line({ response: 'a' }), Buffer.from(`{"response":"${'b'.repeat(100)}`)];
    expect(read(wire, 64).map(eventOf)).toEqual([
      text('a'),
      { type: 'error', code: 'line_too_long' },
    ]);
  });
});

describe('ollamaBody', () => {
  const CUTS = { OLLAMA_TRUNCATE: 'true', OLLAMA_SHIFT: 'true' };
  const settings = loadConfig(CUTS);
  const request: ModelRequest = {
    endpoint: 'chat',
    model: 'm',
    messages: [{ role: 'user', content: 'hi' }],
    options: { temperature: 0.5, seed: 1 },
  };

  it("puts the operator's options under the caller's, his keep_alive beside them", () => {
    const operator = loadConfig({
      ...CUTS,
      OLLAMA_OPTIONS: '{"num_ctx":8192,"seed":7}',
      OLLAMA_KEEP_ALIVE: '10m',
    });
    expect(ollamaBody(request, operator)).toEqual({
      model: 'm',
      messages: request.messages,
      stream: true,
      options: { num_ctx: 8192, temperature: 0.5, seed: 1 },
      keep_alive: '10m',
    });
  });

  it('lets Ollama cut nothing silently, unless the operator wants it to', () => {
    const strict = loadConfig({});
    const body = ollamaBody(request, strict);
    expect(body).toMatchObject({ truncate: false, shift: false });
    expect(ollamaBody({ endpoint: 'generate', model: 'm', prompt: '' }, strict)).toMatchObject({
      truncate: false,
      shift: false,
    });
    expect(ollamaBody({ endpoint: 'pull', model: 'm' }, strict)).toEqual({
      model: 'm',
      stream: true,
    });
    for (const [name, field] of [
      ['OLLAMA_TRUNCATE', 'truncate'],
      ['OLLAMA_SHIFT', 'shift'],
    ] as const) {
      const other = ollamaBody(request, loadConfig({ [name]: 'true' }));
      expect(other).not.toHaveProperty(field);
      expect(Object.keys(other as object)).toHaveLength(Object.keys(body as object).length - 1);
    }
  });

  it('sends a keep_alive of 0, and none where none is set', () => {
    const operator = loadConfig({ ...CUTS, OLLAMA_KEEP_ALIVE: '0' });
    expect(ollamaBody(request, operator)).toHaveProperty('keep_alive', 0);
    expect(ollamaBody(request, settings)).not.toHaveProperty('keep_alive');
  });

  it('passes on what the caller may set, and not our own name of the endpoint', () => {
    const asked = { prompt: 'p', system: 's', suffix: 'x', images: ['aGk='], think: true };
    const body = ollamaBody({ endpoint: 'generate', model: 'm', ...asked }, settings);
    expect(body).toEqual({ model: 'm', ...asked, stream: true, options: {} });
  });
});

describe('ollama', () => {
  it('sends a key as a bearer token, and more headers', () => {
    const settings = loadConfig({ OLLAMA_API_KEY: 'k', OLLAMA_HEADERS: '{"X-Team":"a"}' });
    expect(ollama(settings).headers).toEqual({ Authorization: 'Bearer k', 'X-Team': 'a' });
    expect(ollama(loadConfig({})).headers).toEqual({});
  });

  const refusal = (model: string, PULL_REGISTRIES = ''): CastError | undefined =>
    ollama(loadConfig({ PULL_REGISTRIES })).refuses({ endpoint: 'pull', model });

  it.each([
    'llama3.2',
    'Llama3.2:1B',
    'library/llama3.2',
    'someone/their-model:q4',
    'registry.ollama.ai/library/llama3.2:latest',
    'https://registry.ollama.ai/library/llama3.2',
    'ollama.com/someone/model',
  ])("pulls from Ollama's library: %s", (model) => {
    expect(refusal(model)).toBeUndefined();
  });

  it.each([
    '127.0.0.1:21999/x/y',
    '127.0.0.1:21999/x',
    '127.1/a/b',
    'localhost/x',
    'localhost:1/x/y',
    '169.254.169.254/a/b',
    'http://169.254.169.254/a/b',
    'HTTPS://Evil.Example/a/b',
    'hf.co/a/b',
    'huggingface.co/a/b:Q4_K_M',
    'metadata/computeMetadata/v1',
    'registry.ollama.ai.evil.example/a/b',
    'registry.ollama.ai:8080/a/b',
    'registry.ollama.ai@evil.example/a/b',
    'evil.example\\/a/b',
    '[::1]/a/b',
    '//evil.example/a/b',
    '../a/b',
    'a/../b',
    'a%2fb/c/d',
    'a?b#c',
    'ünïcode.example/a/b',
  ])('pulls from no other host: %s', (model) => {
    expect(refusal(model)).toMatchObject({
      code: 'forbidden',
      details: [{ path: 'model', message: "a name of Ollama's library" }],
    });
  });

  it('pulls from hosts that the operator names, and only from them', () => {
    const hosts = 'hf.co, Registry.Example.com:5000';
    expect(refusal('hf.co/a/b:Q4', hosts)).toBeUndefined();
    expect(refusal('HF.co/a/b', hosts)).toBeUndefined();
    expect(refusal('registry.example.com:5000/a/b', hosts)).toBeUndefined();
    expect(refusal('registry.example.com/a/b', hosts)).toMatchObject({
      details: [
        { message: "a name of Ollama's library, or of hf.co, or of registry.example.com:5000" },
      ],
    });
    expect(refusal('xhf.co/a/b', hosts)).toBeDefined();
  });

  const tools = [{ type: 'function' as const, function: { name: 'f' } }];
  const named = { type: 'function' as const, function: { name: 'f' } };
  const asked = (more: object) => ({
    endpoint: 'chat' as const,
    model: 'm',
    messages: [],
    tools,
    ...more,
  });

  it.each<[object, string]>([
    [{ tool_choice: 'required' }, 'tool_choice'],
    [{ tool_choice: named }, 'tool_choice'],
    [{ parallel_tool_calls: false }, 'parallel_tool_calls'],
  ])('refuses a choice of tools that it has no word for: %j', (more, path) => {
    expect(ollama(loadConfig({})).refuses(asked(more))).toMatchObject({
      code: 'invalid_request',
      details: [{ path }],
    });
  });

  it('leaves the tools out where none is to be called, and the choice always', () => {
    const settings = loadConfig({});
    for (const more of [{ tool_choice: 'none' as const }, { parallel_tool_calls: true }]) {
      expect(ollama(settings).refuses(asked(more))).toBeUndefined();
    }
    expect(ollamaBody(asked({ tool_choice: 'none' }), settings)).not.toHaveProperty('tools');
    const body = ollamaBody(asked({ tool_choice: 'auto', parallel_tool_calls: true }), settings);
    expect(body).toMatchObject({ tools });
    expect(body).not.toHaveProperty('tool_choice');
    expect(body).not.toHaveProperty('parallel_tool_calls');
  });
});
