import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { CastError } from '../errors.js';
import type { CastRequest } from './cast.service.js';
import { ollamaBody } from './ollama.js';
import { OllamaDecoder } from './ollama-decoder.js';
import type { Part } from './part.js';

/** What this spec reads of `test/fixtures/wire-cases.json`; the whole is in `test/support`. */
interface Case {
  id: string;
  kind: string;
  endpoint: string;
  note: string;
  status: number;
  fragments: { text?: string; b64?: string; repeat?: string; times?: number }[];
  abrupt_close: boolean;
  hang_after_fragments?: boolean;
  expect: { events: Record<string, unknown>[] };
}

const file = new URL('../../test/fixtures/wire-cases.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: Case[] };
/** Those that say something of the bytes alone: no status, no silence, no broken connection. */
const bytesOnly = cases.filter(
  ({ kind, endpoint, status, abrupt_close, hang_after_fragments }) =>
    kind === 'ndjson' &&
    ['/api/generate', '/api/chat'].includes(endpoint) &&
    status === 200 &&
    !abrupt_close &&
    hang_after_fragments !== true,
);

const fragments = (wire: Case): Buffer[] =>
  wire.fragments.map(({ text, b64, repeat = '', times }) =>
    b64 === undefined ? Buffer.from(text ?? repeat.repeat(times ?? 0)) : Buffer.from(b64, 'base64'),
  );

/** Reads as `exchange` does: nothing more once the decoder is done or has refused. */
function read(pieces: readonly Buffer[], maxLineBytes = 8_388_608): (Part | CastError)[] {
  const decoder = new OllamaDecoder(maxLineBytes);
  const parts: Part[] = [];
  try {
    for (const piece of pieces) if (!decoder.done) decoder.push(piece, parts);
    if (!decoder.done) decoder.end(parts);
  } catch (error) {
    if (!decoder.done) return [...parts, error as CastError];
  }
  return parts;
}

/** In the words of the wire cases. What a failed record makes of `retryable` is not decided here. */
function eventOf(said: Part | CastError): Record<string, unknown> {
  if (said instanceof CastError) return { type: 'error', code: said.code };
  if ('text' in said) return { type: said.type, text: said.text };
  if (said.type === 'tool_calls') {
    const calls = said.calls.map(({ id, function: { name, arguments: given } }) => ({
      id: id ?? null,
      name,
      arguments: given,
    }));
    return { type: 'tool_calls', calls };
  }
  if (said.type !== 'done') return { ...said };
  const { reason, usage } = said;
  return {
    type: 'done',
    reason,
    usage: usage && { prompt: usage.promptTokens, completion: usage.completionTokens },
  };
}

const line = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value)}\n`);
const DONE = { message: { role: 'assistant', content: '' }, done: true, done_reason: 'stop' };
const events = (...values: unknown[]): Record<string, unknown>[] =>
  read(values.map(line)).map(eventOf);
const text = (said: string): Record<string, unknown> => ({ type: 'text', text: said });
const done = (reason = 'stop'): Record<string, unknown> => ({ type: 'done', reason, usage: null });

describe('OllamaDecoder reads each wire case', () => {
  it.each(bytesOnly.map((wire) => [wire.id, wire.note, wire] as const))('%s: %s', (_, __, wire) => {
    const pieces = fragments(wire);
    const bytes = Buffer.concat(pieces);
    const expected = wire.expect.events.map((event) =>
      event['type'] === 'error' ? { type: 'error', code: event['code'] } : event,
    );
    const check = (cutUp: readonly Buffer[]): void =>
      expect(read(cutUp).map(eventOf)).toEqual(expected);

    check(pieces);
    check([bytes]);
    check([...bytes.keys()].map((at) => bytes.subarray(at, at + 1)));
    const places = fc.array(fc.nat({ max: bytes.length }), { maxLength: 20 });
    fc.assert(
      fc.property(places, (at) => {
        const ends = [...at.toSorted((a, b) => a - b), bytes.length];
        check(ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end)));
      }),
      { numRuns: 30 },
    );

    const error = read(pieces).find((said) => said instanceof CastError);
    const logged = wire.expect.events.at(-1)?.['message_contains'];
    if (logged !== undefined) expect(String(error?.cause)).toContain(logged);
  });
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

  it('does not take `error: null` for an error', () => {
    expect(events({ response: 'a', error: null }, { done: true })).toEqual([
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
  const request: CastRequest = {
    endpoint: 'chat',
    model: 'm',
    messages: [{ role: 'user', content: 'hi' }],
    options: { temperature: 0.5, seed: 1 },
  };

  it("puts the operator's options under the caller's, his keep_alive beside them", () => {
    const operator = { options: { num_ctx: 8192, seed: 7 }, keepAlive: '10m' };
    expect(ollamaBody(request, operator)).toEqual({
      model: 'm',
      messages: request.messages,
      stream: true,
      options: { num_ctx: 8192, temperature: 0.5, seed: 1 },
      keep_alive: '10m',
    });
  });

  it('sends a keep_alive of 0, and none where none is set', () => {
    expect(ollamaBody(request, { options: {}, keepAlive: 0 })).toHaveProperty('keep_alive', 0);
    expect(ollamaBody(request, { options: {}, keepAlive: undefined })).not.toHaveProperty(
      'keep_alive',
    );
  });

  it('passes on what the caller may set, and not our own name of the endpoint', () => {
    const asked = { prompt: 'p', system: 's', suffix: 'x', images: ['aGk='], think: true };
    const body = ollamaBody(
      { endpoint: 'generate', model: 'm', ...asked },
      { options: {}, keepAlive: undefined },
    );
    expect(body).toEqual({ model: 'm', ...asked, stream: true, options: {} });
  });
});
