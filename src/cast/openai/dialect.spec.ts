import type { ModelRequest } from '../model-request.js';
import { openAi, openAiBody, openAiRefusal } from './dialect.js';

const user = { role: 'user' as const, content: 'hi' };
const chat = (more: object = {}): ModelRequest => ({
  endpoint: 'chat',
  model: 'm',
  messages: [user],
  ...more,
});
const generate = (more: object = {}): ModelRequest => ({
  endpoint: 'generate',
  model: 'm',
  prompt: 'hi',
  ...more,
});
const messagesOf = (request: ModelRequest): unknown =>
  (openAiBody(request) as { messages: unknown }).messages;

const PNG = 'iVBORw0KGgoAAAAN';
const JPEG = '/9j/4AAQSkZJRgAB';
const part = (type: string, image: string): object => ({
  type: 'image_url',
  image_url: { url: `data:${type};base64,${image}` },
});

describe('openAiBody', () => {
  it('asks for a stream with usage, and for nothing that was not asked', () => {
    expect(openAiBody(chat())).toEqual({
      model: 'm',
      messages: [user],
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  it('sends a prompt as one user message, behind the system text', () => {
    expect(messagesOf(generate())).toEqual([user]);
    expect(messagesOf(generate({ system: 'be brief' }))).toEqual([
      { role: 'system', content: 'be brief' },
      user,
    ]);
  });

  it('keeps the names of the options that have the same here, and num_predict is max_tokens', () => {
    const same = {
      temperature: 0,
      top_p: 0.9,
      seed: 7,
      stop: ['\n'],
      presence_penalty: 0.1,
      frequency_penalty: 0.2,
    };
    const body = openAiBody(chat({ options: { ...same, num_predict: 64 } }));
    expect(body).toMatchObject({ ...same, max_tokens: 64 });
    expect(body).not.toHaveProperty('num_predict');
    expect(body).not.toHaveProperty('options');
  });

  it.each([
    [false, 'none'],
    [true, 'medium'],
    ['low', 'low'],
    ['medium', 'medium'],
    ['high', 'high'],
    ['max', 'high'],
  ])('think %j is reasoning_effort %s', (think, effort) => {
    const body = openAiBody(chat({ think }));
    expect(body).toMatchObject({ reasoning_effort: effort });
    expect(body).not.toHaveProperty('think');
  });

  it('format is response_format: any JSON, or a schema', () => {
    expect(openAiBody(chat({ format: 'json' }))).toMatchObject({
      response_format: { type: 'json_object' },
    });
    const schema = { type: 'object', properties: { a: { type: 'string' } } };
    expect(openAiBody(generate({ format: schema }))).toMatchObject({
      response_format: {
        type: 'json_schema',
        json_schema: { name: expect.stringMatching(/^[\w-]+$/), schema },
      },
    });
  });

  it('images are image_url parts with their type, behind the text', () => {
    const images = [PNG, JPEG, 'UklGRiQAAABXRUJQ', 'R0lGODlhAQABAAAA'];
    const parts = [
      part('image/png', PNG),
      part('image/jpeg', JPEG),
      part('image/webp', 'UklGRiQAAABXRUJQ'),
      part('image/gif', 'R0lGODlhAQABAAAA'),
    ];
    const content = [{ type: 'text', text: 'hi' }, ...parts];
    expect(messagesOf(generate({ images }))).toEqual([{ role: 'user', content }]);
    expect(messagesOf(chat({ messages: [{ ...user, images }] }))).toEqual([
      { role: 'user', content },
    ]);
    expect(messagesOf(generate({ images: [] }))).toEqual([user]);
  });

  it('passes tools on as they are', () => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }];
    expect(openAiBody(chat({ tools }))).toMatchObject({ tools });
  });

  it('writes the arguments of earlier calls as text, and says which call a result answers', () => {
    const messages = [
      user,
      {
        role: 'assistant',
        content: '',
        tool_calls: [{ id: 'c1', function: { index: 0, name: 'f', arguments: { a: 'é' } } }],
      },
      { role: 'tool', content: '7', tool_name: 'f', tool_call_id: 'c1' },
    ];
    expect(messagesOf(chat({ messages }))).toEqual([
      user,
      {
        role: 'assistant',
        content: '',
        tool_calls: [
          { id: 'c1', type: 'function', function: { name: 'f', arguments: '{"a":"é"}' } },
        ],
      },
      expect.objectContaining({ role: 'tool', content: '7', tool_call_id: 'c1' }),
    ]);
  });

  it('gives calls without an id, as older Ollamas make them, ids that their results name', () => {
    const called = (name: string) => ({
      role: 'assistant',
      content: '',
      tool_calls: [{ function: { name, arguments: {} } }],
    });
    const result = (name: string) => ({ role: 'tool', content: name, tool_name: name });
    const messages = messagesOf(
      chat({ messages: [user, called('f'), result('f'), called('g'), result('g')] }),
    ) as { tool_calls?: { id: string }[]; tool_call_id?: string }[];
    const ids = messages.flatMap(({ tool_calls = [] }) => tool_calls.map(({ id }) => id));
    expect(new Set(ids).size).toBe(2);
    expect(messages.flatMap(({ tool_call_id }) => tool_call_id ?? [])).toEqual(ids);
  });

  it("leaves out what is Ollama's or ours alone", () => {
    const messages = [{ role: 'assistant', content: 'a', thinking: 'hm' }];
    expect(messagesOf(chat({ messages }))).toEqual([{ role: 'assistant', content: 'a' }]);
    const body = openAiBody(generate({ system: 's', images: [PNG], think: true }));
    for (const name of ['endpoint', 'prompt', 'system', 'images', 'keep_alive']) {
      expect(body).not.toHaveProperty(name);
    }
  });
});

describe('openAiRefusal', () => {
  it('takes all that has a counterpart', () => {
    const options = { temperature: 1, top_p: 1, seed: 1, stop: ['x'], num_predict: 1 };
    const penalties = { presence_penalty: 1, frequency_penalty: 1 };
    const all = { options: { ...options, ...penalties }, think: true, format: 'json' };
    expect(openAiRefusal(chat({ ...all, tools: [] }))).toBeUndefined();
    expect(openAiRefusal(generate({ ...all, system: 's', images: [PNG] }))).toBeUndefined();
  });

  it.each(['top_k', 'min_p', 'typical_p', 'repeat_last_n', 'repeat_penalty'])(
    'refuses the option %s',
    (name) => {
      for (const request of [chat, generate]) {
        expect(openAiRefusal(request({ options: { temperature: 1, [name]: 1 } }))).toMatchObject({
          code: 'invalid_request',
          details: [{ path: `options.${name}` }],
        });
      }
    },
  );

  it.each<[string, ModelRequest]>([
    ['messages', chat({ messages: [] })],
    ['prompt', generate({ prompt: '' })],
    ['suffix', generate({ suffix: 'x' })],
    ['model', { endpoint: 'pull', model: 'm' }],
  ])('refuses what it cannot send: %s', (path, request) => {
    expect(openAiRefusal(request)).toMatchObject({ code: 'invalid_request', details: [{ path }] });
  });
});

describe('openAi', () => {
  it('sends the key as a bearer token, and no header where there is none', () => {
    expect(openAi('sk-1', 1024).headers).toEqual({ Authorization: 'Bearer sk-1' });
    expect(openAi(undefined, 1024).headers).toEqual({});
  });
});
