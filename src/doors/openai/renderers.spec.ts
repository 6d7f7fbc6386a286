import * as fc from 'fast-check';
import { answer, expectPrefixStable, logOf } from '../../../test/support/answers.js';
import type { Part } from '../../cast/part.js';
import { ChatChunks } from './chat-chunks.js';
import { ResponseEvents } from './response-events.js';

const FACTS = { id: 'k3JvX0d1Qm6c7Tq2Zr9s_A', model: 'm', createdAt: 1_767_323_045_678 };
const responseFacts = (waited = false) => ({ ...FACTS, waited, note: { echo: {} } });

/** The data of each event of a stream. */
const dataOf = (stream: string): unknown[] =>
  stream
    .split('\n\n')
    .filter((event) => event !== '')
    .map((event) => event.replace(/^data: /, ''))
    .map((data) => (data === '[DONE]' ? data : (JSON.parse(data) as unknown)));

const textIn = (parts: readonly Part[], type: string): string =>
  parts.map((part) => (part.type === type && 'text' in part ? part.text : '')).join('');

describe('chunks of a chat completion', () => {
  it.each([true, false])('are prefix-stable (usage: %s)', (withUsage) => {
    expectPrefixStable(() => {
      const chunks = new ChatChunks(FACTS, withUsage);
      return { frames: (entry) => dataOf(chunks.entry(entry)) };
    });
  });

  it('say all text, thinking and calls of an answer, merged or not, and end as it ended', () => {
    fc.assert(
      fc.property(answer, fc.boolean(), (said, isMerged) => {
        const { log } = logOf(said);
        const chunks = new ChatChunks(FACTS, false);
        let stream = '';
        for (let after = 0; after < log.seq;) {
          const entry = log.read(after, isMerged ? undefined : 0);
          stream += chunks.entry(entry);
          after = entry.seq;
        }
        const data = dataOf(stream) as {
          choices: { delta: Record<string, unknown>; finish_reason: string | null }[];
        }[];
        const choices = data.flatMap((chunk) => chunk.choices ?? []);
        const joined = (field: string): string =>
          choices.map(({ delta }) => (delta[field] as string | undefined) ?? '').join('');
        expect(joined('content')).toBe(textIn(said.parts, 'text'));
        expect(joined('reasoning_content')).toBe(textIn(said.parts, 'thinking'));
        expect(joined('refusal')).toBe(textIn(said.parts, 'refusal'));
        const calls = choices.flatMap(({ delta }) => (delta['tool_calls'] ?? []) as object[]);
        expect(calls.map((call) => (call as { index: number }).index)).toEqual(
          said.parts.filter(({ type }) => type === 'tool_calls').map((_call, index) => index),
        );
        expect(choices.filter((choice) => choice.finish_reason !== null).length).toBe(
          said.completes ? 1 : 0,
        );
        if (said.completes) expect(data.at(-1)).toBe('[DONE]');
        else expect(data.at(-1)).toMatchObject({ error: { code: 'upstream_truncated' } });
      }),
    );
  });
});

describe('events of a response', () => {
  it.each([true, false])('are prefix-stable (waited: %s)', (waited) => {
    expectPrefixStable(() => {
      const events = new ResponseEvents(responseFacts(waited));
      return { opening: () => events.opening(), frames: (entry) => events.entry(entry) };
    });
  });

  it('are numbered 0, 1, 2, …, and their last response has all that was said', () => {
    fc.assert(
      fc.property(answer, fc.boolean(), (said, waited) => {
        const { entries } = logOf(said);
        const events = new ResponseEvents(responseFacts(waited));
        const all = [...events.opening(), ...entries.flatMap((entry) => events.entry(entry))];
        expect(all.map((event) => event.sequence_number)).toEqual(all.map((_event, at) => at));
        const types = all.map(({ type }) => type);
        expect(types.slice(0, 2)).toEqual([
          'response.created',
          waited ? 'response.queued' : 'response.in_progress',
        ]);
        const last = all.findLast(({ type }) => type !== 'error') as unknown as {
          type: string;
          response: { status: string; output: { type: string; content: object[] }[] };
        };
        expect(last.type).toBe(said.completes ? 'response.completed' : 'response.failed');
        if (!said.completes) expect(types.at(-1)).toBe('error');
        const content = last.response.output.flatMap((item) =>
          item.type === 'message' ? item.content : [],
        ) as { type: string; text?: string }[];
        const text = content.map((part) => (part.type === 'output_text' ? part.text : '')).join('');
        expect(text).toBe(textIn(said.parts, 'text'));
        // An item or part that was begun is ended.
        const count = (type: string): number => types.filter((one) => one === type).length;
        for (const name of ['output_item', 'content_part', 'reasoning_summary_part']) {
          expect(count(`response.${name}.done`)).toBe(count(`response.${name}.added`));
        }
      }),
    );
  });

  it('have no usage at the end where nobody knows it: version 2 of the provider of the AI SDK takes no null', () => {
    const events = new ResponseEvents(responseFacts());
    const { entries } = logOf({ parts: [], completes: true });
    entries.forEach((entry) => events.entry(entry));
    const response = events.response('in_progress');
    expect(response['status']).toBe('completed');
    expect(response).not.toHaveProperty('usage');
  });

  it('go on behind all that may have been seen where a node was lost', () => {
    const events = new ResponseEvents(responseFacts());
    const { entries } = logOf({ parts: [], completes: false });
    const before = events.opening().length;
    const [end] = entries;
    const last = events.entry({ ...end!, seq: 1000, from: 1 });
    expect(last[0]?.sequence_number).toBe(before + 999);
  });
});
