import * as fc from 'fast-check';
import { knownPrefixesContract } from '../../../test/support/known-prefixes-contract.js';
import { upstreamOf } from '../../../test/support/waiter.js';
import { extended, MAX_PREFIXES, prefixesOf } from './conversation-prefixes.js';
import { MemoryKnownPrefixes } from './memory-known-prefixes.js';
import { Prefill } from './prefill.js';

type Messages = Parameters<typeof chat>[0];

const [a, b] = [upstreamOf('a', 1), upstreamOf('b', 1)];
const chat = (messages: { role: 'system' | 'user' | 'assistant'; content: string }[], user = 'u') =>
  prefixesOf({ endpoint: 'chat', model: 'm', messages }, user);
const digests = (messages: Messages): string[] => chat(messages).map(({ digest }) => digest);
const message = fc.record({
  role: fc.constantFrom('user' as const, 'assistant' as const),
  content: fc.string({ maxLength: 3 }),
});
const trimmed = (messages: Messages): string =>
  JSON.stringify(messages.map(({ role, content }) => [role, content.trim()]));

describe('the prefixes of a request', () => {
  it('are the same exactly where the messages are, and grow with each of them', () => {
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 8 }),
        fc.array(message, { maxLength: 8 }),
        (x, y) => {
          const [ofX, ofY] = [digests(x), digests(y)];
          expect(ofX).toHaveLength(x.length);
          for (let at = 0; at < Math.min(x.length, y.length); at++) {
            const same = trimmed(x.slice(0, at + 1)) === trimmed(y.slice(0, at + 1));
            expect(ofX[at] === ofY[at]).toBe(same);
          }
        },
      ),
    );
  });

  it('with the answer are those of the next turn', () => {
    fc.assert(
      fc.property(
        fc.array(message, { minLength: 1, maxLength: 9 }),
        fc.string(),
        (before, said) => {
          const answer = { role: 'assistant' as const, content: said };
          const whole = extended(chat(before).at(-1)!, answer);
          const next = chat([...before, answer, { role: 'user', content: 'next' }]);
          expect(next.at(-2)).toEqual(whole);
        },
      ),
    );
  });

  it('are the longest 64, none of them without a question, and other ones for another user', () => {
    const many = Array.from({ length: 100 }, (_, at) => ({
      role: 'user' as const,
      content: `${at}`,
    }));
    expect(digests(many)).toHaveLength(MAX_PREFIXES);
    expect(digests([...many, { role: 'user', content: 'x' }]).at(-2)).toBe(digests(many).at(-1));
    expect(chat([{ role: 'system', content: 'You are kind.' }])).toEqual([]);
    expect(chat(many.slice(0, 1), 'somebody')).not.toEqual(chat(many.slice(0, 1)));
  });

  it('of a prompt are those of a chat with the same messages', () => {
    const asked = { endpoint: 'generate' as const, model: 'm', prompt: 'why?', system: 'Be kind.' };
    expect(prefixesOf(asked, 'u')).toEqual(
      chat([
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: 'why?' },
      ]),
    );
  });
});

knownPrefixesContract(
  'MemoryKnownPrefixes',
  (_upstreams, most, forMs) => new MemoryKnownPrefixes(most, forMs),
  100,
);

describe('what a known prefix saves', () => {
  it('is its length at the rate of the fastest upstream, as far as it is kept', () => {
    const prefill = new Prefill();
    prefill.learn(a, 'm', { chars: 1_000, knownChars: 0, ms: 2_000 });
    expect(prefill.saved(a, 'm', 500)).toBe(1_000);
    prefill.learn(b, 'm', { chars: 1_000, knownChars: 0, ms: 100 });
    expect(prefill.saved(a, 'm', 500)).toBe(50);
    expect(prefill.saved(b, 'other', 500)).toBe(50);
    // All of it had to be read again: it is not kept.
    for (let times = 0; times < 20; times++) {
      prefill.learn(b, 'm', { chars: 1_000, knownChars: 900, ms: 100 });
    }
    expect(prefill.saved(b, 'm', 500)).toBeLessThan(1);
    expect(prefill.saved(a, 'm', 500)).toBe(50);
  });

  it('learns no rate from a short prompt', () => {
    const prefill = new Prefill();
    prefill.learn(a, 'm', { chars: 10, knownChars: 0, ms: 10_000 });
    expect(prefill.saved(a, 'm', 500)).toBe(50);
  });
});
