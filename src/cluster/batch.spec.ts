import * as fc from 'fast-check';
import { answer } from '../../test/support/answers.js';
import { type Driver, Generation } from '../generations/generation.js';
import type { EndEntry, Entry } from '../generations/log/entry.js';
import { applyItems, batchAfter, parseItems, parseMessage } from './batch.js';

const nobody: Driver = {
  cancel: () => undefined,
  onAudience: () => undefined,
  onLost: () => undefined,
  onGrow: () => undefined,
  onDelivered: () => undefined,
  giveUp: () => undefined,
  head: () => 0,
};
const generation = (): Generation =>
  new Generation(
    { id: 'x', endpoint: 'generate', model: 'm', owner: undefined, createdAt: 0 },
    nobody,
  );
const entriesOf = ({ log }: Generation): Entry[] => {
  const entries: Entry[] = [];
  for (let after = 0; after < log.seq; after++) entries.push(log.read(after, 0));
  return entries;
};

describe('batches of a log', () => {
  it('make the same log of it, entry by entry, wherever they are cut and however often they come', () => {
    fc.assert(
      fc.property(
        answer,
        fc.array(fc.nat({ max: 70 }), { maxLength: 6 }),
        fc.boolean(),
        ({ parts }, cuts, isTold) => {
          const [log, copy] = [generation(), generation()];
          const batches: string[] = [];
          parts.forEach((part, at) => {
            log.log.append(part);
            if (cuts.includes(at)) batches.push(batchAfter(log, cuts[0]! % (at + 1))!.json);
          });
          const ending: EndEntry = log.log.ending((proof) => ({
            type: 'end',
            state: 'cancelled',
            reason: 'client',
            upstreamClosedMs: 0,
            ...proof,
          }));
          // Before its readers were told, or after.
          if (isTold) log.finish(ending);
          batches.push(batchAfter(log, 0, isTold ? undefined : ending)!.json);
          for (const json of [...batches, ...batches]) applyItems(copy, parseItems(json));
          if (!isTold) log.finish(ending);
          expect(entriesOf(copy)).toEqual(entriesOf(log));
          expect(copy.log.end).toEqual(ending);
        },
      ),
    );
  });

  it('say that something between is missing', () => {
    const [log, copy] = [generation(), generation()];
    for (const text of ['a', 'b', 'c']) log.log.append({ type: 'text', text, createdAt: '' });
    expect(applyItems(copy, parseItems(batchAfter(log, 1)!.json))).toBe(false);
    expect(copy.log.seq).toBe(0);
  });

  it.each([
    ['{}'],
    ['[1]'],
    ['[["text",1,[1],"a"]]'],
    ['[["text",0,[1],"a",""]]'],
    ['[["text",1,[],"a",""]]'],
    ['[["text",1,[-1],"a",""]]'],
    ['[["text",1,[0.5],"a",""]]'],
    ['[["text",1,[1],1,""]]'],
    ['[["text",1,[1],"a",1]]'],
    ['[["other",1,[1],"a",""]]'],
    ['[["z",1,1,{"type":"end"},[null,null,null]]]'],
  ])('are refused where they are none of ours: %s', (json) => {
    expect(() => parseItems(json)).toThrow();
    expect(() => parseMessage(`[["x",${json}]]`)).toThrow();
  });
});
