import * as fc from 'fast-check';
import { z } from 'zod';
import { cut } from '../../../test/support/cut.js';
import { decode } from '../../../test/support/decoding.js';
import { CastError } from '../../protocol/errors.js';
import { OllamaDecoder } from '../ollama/answer.js';
import { PullDecoder } from '../ollama/pull-answer.js';
import { OpenAiDecoder } from '../openai/answer.js';
import type { Part } from '../part.js';
import type { Decoder } from './decoder.js';
import { JsonDecoder } from './json-decoder.js';

const MAX_BYTES = 4_096;
const AT = '2026-01-02T03:04:05Z';
const piece = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('<think>', '</think>', '<thi', 'nk>', '\ud83d', '\ude00', 'é世😀', ''),
);
const args = fc.constantFrom('{"a":1}', '{"a"', ':1}', '', '{"n":12345678901234567890}');
const finish = fc.constantFrom(null, '', 'stop', 'length', 'tool_calls');

const ollamaLine = fc.oneof(
  piece.map((response) => ({ created_at: AT, response })),
  piece.map((content) => ({ created_at: AT, message: { content } })),
  piece.map((thinking) => ({ created_at: AT, message: { content: '', thinking } })),
  fc.constantFrom(
    { created_at: AT, message: { tool_calls: [{ function: { name: 'f', arguments: { a: 1 } } }] } },
    { created_at: AT, response: '', done_reason: 'stop' },
    { created_at: AT, response: 'x', done: true, done_reason: 'stop', eval_count: 3 },
    { error: 'model runner has unexpectedly stopped' },
    {},
    [],
  ),
);
const delta = fc.oneof(
  piece.map((content) => ({ content })),
  piece.map((text) => ({ content: [{ type: 'text', text }] })),
  piece.map((reasoning_content) => ({ reasoning_content })),
  fc.tuple(fc.nat(2), fc.constantFrom('a', 'b', undefined), args).map(([index, id, given]) => ({
    tool_calls: [{ index, id, function: { name: id && 'f', arguments: given } }],
  })),
);
const chunk = fc.oneof(
  { weight: 8, arbitrary: fc.record({ delta, finish_reason: finish }).map((one) => [one]) },
  { weight: 1, arbitrary: piece.map((content) => [{ message: { content } }]) },
);
const event = fc.oneof(
  {
    weight: 8,
    arbitrary: chunk.map(
      (choices) => `data: ${JSON.stringify({ created: 1_767_323_045, choices })}`,
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'data: [DONE]',
      ': ping',
      'data: {"error":{"message":"m","code":500}}',
      'data: {"code":7,"message":"m"}',
      'event: error\ndata: {"message":"m"}',
      'data: {"choices":[],"usage":{"prompt_tokens":1}}',
      'data: nonsense',
    ),
  },
);
const progress = fc.constantFrom(
  { status: 'pulling manifest' },
  { status: 'pulling a', digest: 'sha256:a', total: 9, completed: 4 },
  { status: 'success' },
  { error: 'pull model manifest: file does not exist' },
);
const lines = <T>(line: fc.Arbitrary<T>): fc.Arbitrary<string> =>
  fc
    .tuple(fc.array(line, { maxLength: 12 }), fc.constantFrom('\n', '\r\n'), fc.boolean())
    .map(([all, end, isEnded]) => {
      const wire = all.map((one) => JSON.stringify(one)).join(end);
      return isEnded ? wire + end : wire;
    });
const events = fc
  .tuple(fc.array(event, { maxLength: 12 }), fc.constantFrom('\n', '\r\n', '\r'))
  .map(([all, end]) =>
    all
      .map((one) => `${one}\n\n`)
      .join('')
      .replaceAll('\n', end),
  );

/** What an answer says; without the times that are ours. */
function said(decoder: Decoder<Part>, pieces: readonly Buffer[]): unknown[] {
  return decode(decoder, pieces).map((one) => {
    if (one instanceof CastError) return { code: one.code };
    return { ...one, createdAt: undefined };
  });
}

describe('any cut of an answer gives the same parts', () => {
  it.each<[string, fc.Arbitrary<string>, () => Decoder<Part>]>([
    ['OllamaDecoder', lines(ollamaLine), () => new OllamaDecoder(MAX_BYTES)],
    ['PullDecoder', lines(progress), () => new PullDecoder(MAX_BYTES)],
    ['OpenAiDecoder', events, () => new OpenAiDecoder(MAX_BYTES)],
    [
      'OpenAiDecoder, of one body',
      chunk.map((choices) => JSON.stringify({ choices })),
      () => new OpenAiDecoder(MAX_BYTES),
    ],
    ['OllamaDecoder, of any bytes', fc.string({ unit: 'binary' }), () => new OllamaDecoder(64)],
    ['OpenAiDecoder, of any bytes', fc.string({ unit: 'binary' }), () => new OpenAiDecoder(64)],
  ])('%s', (_name, wires, create) => {
    fc.assert(
      fc.property(wires, fc.array(fc.nat(), { maxLength: 20 }), (wire, at) => {
        const bytes = Buffer.from(wire);
        const whole = said(create(), [bytes]);
        expect(said(create(), cut(bytes, at))).toEqual(whole);
        expect(said(create(), cut(bytes, [...bytes.keys()]))).toEqual(whole);
      }),
      { numRuns: 300 },
    );
  });

  it('JsonDecoder', () => {
    const value = z.unknown();
    const read = (pieces: readonly Buffer[]): unknown[] => {
      const into: unknown[] = [];
      const decoder = new JsonDecoder(value, MAX_BYTES);
      for (const one of pieces) decoder.push(one);
      decoder.end(into);
      return into;
    };
    fc.assert(
      fc.property(fc.json(), fc.array(fc.nat(), { maxLength: 20 }), (wire, at) => {
        const bytes = Buffer.from(wire);
        expect(read(cut(bytes, at))).toEqual(read([bytes]));
      }),
    );
  });
});
