import { mayHold, NEIGHBOUR_MS, Victim } from '../support/victim.js';

const many = <T>(count: number, element: T): T[] => Array.from({ length: count }, () => element);
const named = <T>(count: number, element: T): Record<string, T> =>
  Object.fromEntries(many(count, element).map((one, at) => [`n${at}`, one]));
const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
/** A text that is JSON itself, of very many values. */
const bomb = `{"a":[${'[],'.repeat(3_000_000)}1]}`;
const user = { role: 'user', content: 'hi' };
const callOf = (json: string): object => ({
  role: 'assistant',
  content: '',
  tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: json } }],
});

type Row = [what: string, path: string, body: object | string];
const CHAT = '/v1/chat/completions';
const RESPONSES = '/v1/responses';
const OLLAMA = '/api/chat';
const AI_SDK = '/ai/chat';
const ui = (part: object): object => ({ messages: [{ id: 'm', role: 'user', parts: [part] }] });

const ROWS: Row[] = [
  ['messages', CHAT, { messages: many(30_000, 7) }],
  ['messages, as many as there may be', CHAT, { messages: many(10_000, 7) }],
  ['parts of messages', CHAT, { messages: many(90, { role: 'user', content: many(1_000, 7) }) }],
  [
    'images',
    CHAT,
    {
      messages: many(90, {
        role: 'user',
        content: many(1_000, { type: 'image_url', image_url: 7 }),
      }),
    },
  ],
  ['stop sequences', CHAT, { messages: [user], stop: many(99_000, 7) }],
  ['tools', CHAT, { messages: [user], tools: many(90_000, 7) }],
  ['tools, as many as there may be', CHAT, { messages: [user], tools: many(1_000, {}) }],
  ['tool calls', CHAT, { messages: [{ role: 'assistant', tool_calls: many(20_000, 7) }] }],
  ['values inside of arguments', CHAT, { messages: [user, callOf(bomb)] }],
  ['levels inside of arguments', CHAT, { messages: [user, callOf(`{"a":${deep(4_000_000)}}`)] }],
  ['levels of modalities', CHAT, { messages: [user], modalities: 'DEEP' }],
  ['levels of tool_choice', CHAT, { messages: [user], tool_choice: 'DEEP' }],
  [
    'levels of a schema',
    CHAT,
    {
      messages: [user],
      response_format: { type: 'json_schema', json_schema: { schema: { a: 'DEEP' } } },
    },
  ],
  ['items', RESPONSES, { input: many(90_000, 7) }],
  ['items, as many as there may be', RESPONSES, { input: many(10_000, 7) }],
  [
    'calls',
    RESPONSES,
    { input: many(10_000, { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' }) },
  ],
  ['parts of items', RESPONSES, { input: many(90, { role: 'user', content: many(1_000, 7) }) }],
  ['tools', RESPONSES, { input: 'hi', tools: many(90_000, 7) }],
  ['pairs of metadata', RESPONSES, { input: 'hi', metadata: named(90_000, 7) }],
  [
    'values inside of arguments',
    RESPONSES,
    { input: [{ type: 'function_call', call_id: 'a', name: 'f', arguments: bomb }] },
  ],
  ['levels of metadata', RESPONSES, { input: 'hi', metadata: { a: 'DEEP' } }],
  [
    'levels of tools',
    RESPONSES,
    { input: 'hi', tools: [{ type: 'function', name: 'f', parameters: { a: 'DEEP' } }] },
  ],
  ['levels of text', RESPONSES, { input: 'hi', text: { a: 'DEEP' } }],
  [
    'levels of tool_choice',
    RESPONSES,
    { input: 'hi', tool_choice: { type: 'function', name: 'DEEP' } },
  ],
  ['messages', OLLAMA, { messages: many(90_000, 7) }],
  ['images', OLLAMA, { messages: many(1_400, { role: 'user', images: many(64, '!') }) }],
  ['tools', OLLAMA, { messages: [user], tools: many(90_000, 7) }],
  ['stop sequences', OLLAMA, { messages: [user], options: { stop: many(90_000, 7) } }],
  ['options', OLLAMA, { messages: 7, options: named(90_000, 7) }],
  [
    'levels of arguments',
    OLLAMA,
    {
      messages: [
        {
          role: 'assistant',
          content: '',
          tool_calls: [{ function: { name: 'f', arguments: { a: 'DEEP' } } }],
        },
      ],
    },
  ],
  ['levels of a schema', OLLAMA, { messages: [user], format: { a: 'DEEP' } }],
  ['levels of keep_alive', OLLAMA, { messages: [user], keep_alive: 'DEEP' }],
  ['images', '/api/generate', { prompt: 'hi', images: many(99_000, '!') }],
  ['levels of a context', '/api/generate', { prompt: 'hi', context: 'DEEP' }],
  ['messages', AI_SDK, { messages: many(90_000, 7) }],
  ['parts', AI_SDK, { messages: many(9, { id: 'm', role: 'user', parts: many(10_000, 7) }) }],
  [
    'parts of tools',
    AI_SDK,
    { messages: many(9, { id: 'm', role: 'assistant', parts: many(10_000, { type: 'tool-x' }) }) },
  ],
  ['tools by name', AI_SDK, { messages: [], tools: named(90_000, 7) }],
  ['tools', AI_SDK, { messages: [], tools: many(90_000, 7) }],
  ['stop sequences', AI_SDK, { messages: [], stopSequences: many(90_000, 7) }],
  [
    'levels of output',
    AI_SDK,
    ui({ type: 'tool-x', toolCallId: 'a', state: 'output-available', input: {}, output: 'DEEP' }),
  ],
  [
    "levels of an assistant's output",
    AI_SDK,
    {
      messages: [
        {
          id: 'm',
          role: 'assistant',
          parts: [
            {
              type: 'tool-x',
              toolCallId: 'a',
              state: 'output-available',
              input: {},
              output: 'DEEP',
            },
          ],
        },
      ],
    },
  ],
  [
    'levels of input',
    AI_SDK,
    {
      messages: [
        {
          id: 'm',
          role: 'assistant',
          parts: [
            {
              type: 'tool-x',
              toolCallId: 'a',
              state: 'output-available',
              input: { a: 'DEEP' },
              output: 1,
            },
          ],
        },
      ],
    },
  ],
  [
    'levels of a schema',
    AI_SDK,
    { ...ui({ type: 'text', text: 'hi' }), tools: { f: { parameters: { a: 'DEEP' } } } },
  ],
];

describe('a request of very many wrong things', () => {
  let victim: Victim;
  let before: number;
  let smallest = Infinity;
  beforeAll(async () => {
    victim = await Victim.start();
    before = await victim.heldAtRest();
  });
  afterAll(() => victim?.close());

  it.each(ROWS)('%s, at %s: refused in a moment', async (_, path, given) => {
    const body = JSON.stringify(given).replace('"DEEP"', deep(45_000));
    smallest = Math.min(smallest, body.length);
    let status = 0;
    let said = '';
    const waited = await victim.waitUnder(async () => {
      const answer = await fetch(victim.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      status = answer.status;
      said = await answer.text();
    });
    expect([400, 413]).toContain(status);
    expect(said.length).toBeLessThan(5_000);
    expect(waited).toBeLessThan(NEIGHBOUR_MS);
  });

  it('leaves nothing behind: all of them together no more than the smallest may', async () => {
    expect((await victim.heldAtRest()) - before).toBeLessThan(mayHold(smallest));
  });
});
