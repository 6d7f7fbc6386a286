import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import type { Part } from '../cast/part.js';
import type { End, Entry } from '../generations/log/entry.js';
import { GenerationLog } from '../generations/log/generation-log.js';
import type { Proof } from '../generations/log/proof.js';
import type { Frame } from './ai-sdk/frame.js';
import { FrameRenderer } from './ai-sdk/frame-renderer.js';
import { LineRenderer, type OllamaLine } from './ollama/line-renderer.js';

const ID = 'k3JvX0d1Qm6c7Tq2Zr9s_A';
const createdAt = '2026-01-02T03:04:05.678Z';
const timings = {
  queuedMs: 0,
  loadMs: null,
  firstTokenMs: 5,
  totalMs: 20.5,
  tokensPerSecond: null,
};

const text = fc.record({
  type: fc.constantFrom('text' as const, 'text' as const, 'thinking' as const, 'refusal' as const),
  text: fc.string({ unit: 'grapheme', maxLength: 20 }),
  createdAt: fc.constant(createdAt),
});
const calls: fc.Arbitrary<Part> = fc
  .array(fc.constantFrom({ id: 'a' }, {}), { minLength: 1, maxLength: 3 })
  .map((ids) => ({
    type: 'tool_calls',
    calls: ids.map((id) => ({ ...id, function: { name: 'f', arguments: { x: 1 } } })),
    createdAt,
  }));
const parts = fc.array(fc.oneof({ weight: 9, arbitrary: text }, { weight: 1, arbitrary: calls }), {
  maxLength: 40,
});
type EndOf = (proof: Proof) => End;
const ENDS = {
  completed: (proof) => ({
    type: 'end',
    state: 'completed',
    reason: 'stop',
    usage: null,
    timings,
    ...proof,
  }),
  cancelled: (proof) => ({
    type: 'end',
    state: 'cancelled',
    reason: 'client',
    upstreamClosedMs: 1,
    ...proof,
  }),
  failed: (proof) => ({
    type: 'end',
    state: 'failed',
    code: 'upstream_truncated',
    detail: 'The answer ended before it was complete.',
    retryable: true,
    retryAfterMs: undefined,
    ...proof,
  }),
} satisfies Record<string, EndOf>;
const ending = fc.constantFrom<EndOf>(...Object.values(ENDS));

function logOf(said: readonly Part[], end: EndOf): GenerationLog {
  const log = new GenerationLog(() => undefined);
  for (const part of said) log.append(part);
  log.append({ type: 'done', reason: 'stop', usage: null, statistics: {}, createdAt });
  log.finish(log.ending(end));
  return log;
}

/** All entries of a log, each by itself. */
function entriesOf(log: GenerationLog, after = 0): Entry[] {
  const entries: Entry[] = [];
  for (let seq = after; seq < log.seq;) {
    const entry = log.read(seq, 0);
    entries.push(entry);
    ({ seq } = entry);
  }
  return entries;
}

function framesOf(entries: readonly Entry[], messageId = ID): Frame[] {
  const renderer = new FrameRenderer(ID, messageId);
  return [...renderer.beginning(), ...entries.flatMap((entry) => renderer.frames(entry))];
}

function linesOf(entries: readonly Entry[], endpoint: 'chat' | 'generate'): OllamaLine[] {
  const renderer = new LineRenderer({ endpoint, model: 'm' });
  return entries.flatMap((entry) => renderer.lines(entry));
}

const said = (all: readonly Part[], type: Part['type']): string =>
  all.map((part) => (part.type === type && 'text' in part ? part.text : '')).join('');

describe.each([
  ['frames of the AI SDK', (entries: readonly Entry[]): object[] => framesOf(entries)],
  ['lines of /api/chat', (entries: readonly Entry[]): object[] => linesOf(entries, 'chat')],
  ['lines of /api/generate', (entries: readonly Entry[]): object[] => linesOf(entries, 'generate')],
])('%s', (_name, render) => {
  it('never change when more is said', () => {
    fc.assert(
      fc.property(parts, ending, fc.nat(), (all, end, cut) => {
        const entries = entriesOf(logOf(all, end));
        const some = render(entries.slice(0, cut % (entries.length + 1)));
        expect(render(entries).slice(0, some.length)).toEqual(some);
      }),
    );
  });
});

describe('frames of the AI SDK', () => {
  const inStep = fc.property(parts, ending, (all, end) => {
    const open = new Set<string>();
    for (const frame of framesOf(entriesOf(logOf(all, end)))) {
      if (!('id' in frame)) continue;
      if (frame.type.endsWith('-start')) {
        expect(open.size).toBe(0);
        open.add(frame.id);
      }
      expect(open.has(frame.id)).toBe(true);
      if (frame.type.endsWith('-end')) open.delete(frame.id);
    }
    expect(open.size).toBe(0);
  });
  it('begin each text before its first delta, and end it before the next', () => {
    fc.assert(inStep);
  });

  it('say all that was said, and prove the text', () => {
    fc.assert(
      fc.property(parts, ending, (all, end) => {
        const frames = framesOf(entriesOf(logOf(all, end)));
        const deltas = (type: Frame['type']): string =>
          frames
            .map((frame) => (frame.type === type && 'delta' in frame ? frame.delta : ''))
            .join('');
        expect(deltas('reasoning-delta')).toBe(said(all, 'thinking'));
        const last = frames.findLast((frame) => frame.type === 'finish');
        const sha256 = createHash('sha256').update(said(all, 'text')).digest('hex');
        expect(last).toMatchObject({ messageMetadata: { sha256 } });
      }),
    );
  });

  it('tell a failure before its finish, and an abort behind it', () => {
    const types = (end: EndOf): string[] =>
      framesOf(entriesOf(logOf([], end))).map(({ type }) => type);
    expect(types(ENDS.cancelled)).toEqual([
      'start',
      'start-step',
      'finish-step',
      'finish',
      'abort',
    ]);
    expect(types(ENDS.failed)).toEqual([
      'start',
      'start-step',
      'message-metadata',
      'error',
      'finish',
    ]);
  });

  it('give a call without an id the same one each time', () => {
    const part: Part = {
      type: 'tool_calls',
      calls: [
        { function: { name: 'f', arguments: {} } },
        { function: { name: 'g', arguments: {} } },
      ],
      createdAt,
    };
    const ids = framesOf([{ seq: 1, from: 1, said: part }]).flatMap((frame) =>
      frame.type === 'tool-input-available' ? [frame.toolCallId] : [],
    );
    expect(ids).toEqual([`call-${ID}-0`, `call-${ID}-1`]);
  });
});

describe('lines of Ollama', () => {
  it.each(['chat', 'generate'] as const)('of /api/%s say all that was said', (endpoint) => {
    fc.assert(
      fc.property(parts, ending, (all, end) => {
        const pieces = linesOf(entriesOf(logOf(all, end)), endpoint).flatMap((line) =>
          'error' in line
            ? []
            : [
                'message' in line
                  ? line.message
                  : { content: line.response, thinking: line.thinking },
              ],
        );
        expect(pieces.map(({ content }) => content).join('')).toBe(
          all
            .map((part) => (part.type === 'text' || part.type === 'refusal' ? part.text : ''))
            .join(''),
        );
        expect(pieces.map(({ thinking = '' }) => thinking).join('')).toBe(said(all, 'thinking'));
      }),
    );
  });

  it('say done of a whole answer only, and end with an error otherwise', () => {
    fc.assert(
      fc.property(parts, ending, (all, end) => {
        const log = logOf(all, end);
        const lines = linesOf(entriesOf(log), 'chat');
        const isWhole = log.end?.said.state === 'completed';
        expect(lines.filter((line) => 'done' in line && line.done)).toHaveLength(isWhole ? 1 : 0);
        expect('error' in (lines.at(-1) ?? {})).toBe(!isWhole);
      }),
    );
  });
});
