import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import type { Part } from '../cast/part.js';
import type { Entry } from '../generations/log/entry.js';
import { GenerationLog } from '../generations/log/generation-log.js';
import { RecordRenderer } from './record-renderer.js';

const ID = 'k3JvX0d1Qm6c7Tq2Zr9s_A';
const createdAt = '2026-01-02T03:04:05.678Z';

/** Makes the frames of one protocol of entries, given in order from the first on. */
interface Renderer {
  frames(entry: Entry): unknown[];
}

function records(endpoint: 'generate' | 'chat'): Renderer {
  const renderer = new RecordRenderer({ id: ID, model: 'm', endpoint });
  return { frames: (entry) => [renderer.render(entry)] };
}

/** A second, small protocol: OpenAI's chunks, of text and of the end only. */
function openAiChunks(): Renderer {
  const chunk = (delta: object, finish_reason: string | null) => ({
    id: `chatcmpl-${ID}`,
    object: 'chat.completion.chunk',
    model: 'm',
    choices: [{ index: 0, delta, finish_reason }],
  });
  let reason: string | null = null;
  return {
    frames({ said }) {
      switch (said.type) {
        case 'text':
          return [chunk({ content: said.text }, null)];
        case 'done':
          reason = said.reason;
          return [];
        case 'end':
          return said.state === 'completed'
            ? [chunk({}, reason), '[DONE]']
            : [{ error: { message: 'detail' in said ? said.detail : '', code: said.state } }];
        default:
          return [];
      }
    },
  };
}

const text = fc.record({
  type: fc.constantFrom('text' as const, 'text' as const, 'thinking' as const, 'refusal' as const),
  text: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
  createdAt: fc.constant(createdAt),
});
const calls: Part = {
  type: 'tool_calls',
  calls: [{ function: { name: 'f', arguments: { x: 1 } } }],
  createdAt,
};
const done: Part = { type: 'done', reason: 'stop', usage: null, statistics: {}, createdAt };
const answer = fc
  .tuple(
    fc.array(
      fc.oneof({ weight: 9, arbitrary: text }, { weight: 1, arbitrary: fc.constant(calls) }),
      {
        maxLength: 60,
      },
    ),
    fc.boolean(),
  )
  .map(([parts, completes]) => ({ parts: completes ? [...parts, done] : parts, completes }));

/** The log of an answer, and its entries one by one. */
function logOf({ parts, completes }: { parts: readonly Part[]; completes: boolean }) {
  const log = new GenerationLog(() => undefined);
  const entries: Entry[] = parts.map((part) => log.append(part));
  const end = log.finish((proof) =>
    completes
      ? {
          type: 'end',
          state: 'completed',
          reason: 'stop',
          usage: null,
          timings: {
            queuedMs: 0,
            loadMs: null,
            firstTokenMs: null,
            totalMs: 1,
            tokensPerSecond: null,
          },
          ...proof,
        }
      : {
          type: 'end',
          state: 'failed',
          code: 'upstream_truncated',
          detail: 'The answer ended before it was complete.',
          retryable: false,
          retryAfterMs: undefined,
          ...proof,
        },
  );
  return { log, entries: [...entries, end] };
}

const framesOf = (renderer: Renderer, entries: readonly Entry[]): unknown[] =>
  entries.flatMap((entry) => renderer.frames(entry));

const RENDERERS = {
  'records of generate': () => records('generate'),
  'records of chat': () => records('chat'),
  'OpenAI chunks': openAiChunks,
} as const;

describe.each(Object.entries(RENDERERS))('%s', (_name, rendererOf) => {
  it('are prefix-stable: the frames of the first entries never change when more come', () => {
    fc.assert(
      fc.property(answer, fc.double({ min: 0, max: 1, noNaN: true }), (said, cut) => {
        const { entries } = logOf(said);
        const at = Math.round(cut * entries.length);
        const before = framesOf(rendererOf(), entries.slice(0, at));
        const all = framesOf(rendererOf(), entries);
        expect(all.slice(0, before.length)).toEqual(before);
        // So a client that has `before` misses nothing with what comes after.
        const resumed = rendererOf();
        framesOf(resumed, entries.slice(0, at));
        expect(framesOf(resumed, entries.slice(at))).toEqual(all.slice(before.length));
      }),
    );
  });
});

describe('records of entries that were merged', () => {
  it('have the same text, proof and numbers as those of single ones', () => {
    fc.assert(
      fc.property(answer, fc.nat(), fc.boolean(), (said, seed, isChat) => {
        const { log, entries } = logOf(said);
        const renderer = new RecordRenderer({
          id: ID,
          model: 'm',
          endpoint: isChat ? 'chat' : 'generate',
        });
        const single = entries.map((entry) => renderer.render(entry));
        const cursor = seed % (log.seq + 1);
        const merged = [];
        for (let after = cursor; after < log.seq; after = merged.at(-1)?.seq ?? log.seq) {
          merged.push(renderer.render(log.read(after)));
        }
        const contentOf = (all: readonly object[]): string => all.map(textOf).join('');
        expect(contentOf(merged)).toBe(contentOf(single.slice(cursor)));
        // Every number once, without holes.
        const ranges = merged.map(({ seq, from }) => [from ?? seq, seq] as const);
        expect(ranges.map(([from]) => from)).toEqual(
          [cursor, ...ranges.map(([, seq]) => seq)].slice(0, -1).map((seq) => seq + 1),
        );
        if (cursor < log.seq) expect(merged.at(-1)).toEqual(single.at(-1));
        const whole = contentOf(single);
        expect(single.at(-1)).toMatchObject({
          bytes: Buffer.byteLength(whole),
          sha256: createHash('sha256').update(whole).digest('hex'),
        });
      }),
    );
  });
});

/** The answer text of a record. */
function textOf(record: object): string {
  const { response, message } = record as {
    response?: string;
    message?: string | { content: string };
  };
  return response ?? (typeof message === 'object' ? message.content : '');
}
