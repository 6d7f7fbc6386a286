import * as fc from 'fast-check';
import type { Part } from '../../src/cast/part.js';
import type { Entry } from '../../src/generations/log/entry.js';
import { GenerationLog } from '../../src/generations/log/generation-log.js';
import { fraction } from './fraction.js';

const createdAt = '2026-01-02T03:04:05.678Z';

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
/** Parts of an answer, with its last word or broken off. */
export const answer = fc
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
export function logOf({ parts, completes }: { parts: readonly Part[]; completes: boolean }) {
  const log = new GenerationLog(() => undefined);
  const entries: Entry[] = parts.map((part) => log.append(part));
  const end = log.ending((proof) =>
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
  log.finish(end);
  return { log, entries: [...entries, end] };
}

/** Makes the frames of one protocol of entries, given in order from the first on. */
export interface Renderer {
  /** Before the first entry. */
  opening?(): unknown[];
  frames(entry: Entry): unknown[];
}

const framesOf = (renderer: Renderer, entries: readonly Entry[]): unknown[] => [
  ...(renderer.opening?.() ?? []),
  ...entries.flatMap((entry) => renderer.frames(entry)),
];

/**
 * Holds a renderer to what makes resuming a slice: the frames of the first entries never change when
 * more come.
 */
export function expectPrefixStable(rendererOf: () => Renderer): void {
  fc.assert(
    fc.property(answer, fraction, (said, cut) => {
      const { entries } = logOf(said);
      const at = Math.round(cut * entries.length);
      const before = framesOf(rendererOf(), entries.slice(0, at));
      const all = framesOf(rendererOf(), entries);
      expect(all.slice(0, before.length)).toEqual(before);
      // So a client that has `before` misses nothing with what comes after.
      const resumed = rendererOf();
      framesOf(resumed, entries.slice(0, at));
      const rest = entries.slice(at).flatMap((entry) => resumed.frames(entry));
      expect(rest).toEqual(all.slice(before.length));
    }),
  );
}
