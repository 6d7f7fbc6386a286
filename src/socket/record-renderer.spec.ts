import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { answer, expectPrefixStable, logOf } from '../../test/support/answers.js';
import { RecordRenderer } from './record-renderer.js';

const ID = 'k3JvX0d1Qm6c7Tq2Zr9s_A';

describe.each(['generate', 'chat'] as const)('records of %s', (endpoint) => {
  it('are prefix-stable: the frames of the first entries never change when more come', () => {
    expectPrefixStable(() => {
      const renderer = new RecordRenderer({ id: ID, model: 'm', endpoint });
      return { frames: (entry) => [renderer.render(entry)] };
    });
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
