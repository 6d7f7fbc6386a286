import { loadConfig } from '../../config/load.js';
import { parseExact } from '../../protocol/exact-json.js';
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

  it.each([0, -1, -2])("num_predict %i, Ollama's word for no limit, sets none", (num_predict) => {
    expect(openAiBody(chat({ options: { num_predict } }))).not.toHaveProperty('max_tokens');
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
      response_format: { type: 'json_object', schema: { type: 'object' } },
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

  it.each([
    ['image/heic', '\0\0\0\x18ftypheic\0\0\0\0mif1heic'],
    ['image/heic', '\0\0\0\x18ftypmif1\0\0\0\0heicmif1'],
    ['image/heif', '\0\0\0\x18ftypmif1\0\0\0\0miafmif1'],
    ['image/avif', '\0\0\0\x1cftypavif\0\0\0\0mif1avif'],
    ['image/avif', '\0\0\0\x1cftypmif1\0\0\0\0avifmif1'],
    ['image/bmp', 'BM\x46\0\0\0\0\0'],
    ['image/tiff', 'II*\0\x08\0\0\0'],
    ['image/tiff', 'MM\0*\0\0\0\x08'],
    ['image/x-icon', '\0\0\x01\0\x01\0'],
    ['image/jxl', '\xff\x0a\xfa'],
    ['image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg"/>'],
    ['image/webp', 'RIFF\x24\0\0\0WEBPVP8 '],
    ['image/png', 'RIFF\x24\0\0\0WAVEfmt '],
    ['image/png', 'what is this'],
    ['image/png', ''],
  ])('an image is %s by its first bytes: %j', (type, bytes) => {
    const image = Buffer.from(bytes, 'latin1').toString('base64');
    expect(messagesOf(generate({ images: [image] }))).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'hi' }, part(type, image)] },
    ]);
  });

  it('writes every digit of the numbers in earlier calls', () => {
    const given = parseExact('{"id":12345678901234567890}');
    const messages = [
      {
        role: 'assistant',
        content: '',
        tool_calls: [{ function: { name: 'f', arguments: given } }],
      },
    ];
    expect(JSON.stringify(openAiBody(chat({ messages })))).toContain(
      JSON.stringify('{"id":12345678901234567890}'),
    );
  });

  it('passes tools on as they are', () => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }];
    expect(openAiBody(chat({ tools }))).toMatchObject({ tools });
    const choice = { tool_choice: 'required', parallel_tool_calls: false };
    expect(openAiBody(chat({ tools, ...choice }))).toMatchObject(choice);
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
  const settings = loadConfig({ OPENAI_BASE_URL: 'http://localhost:1/v1' });

  it('sends the key as a bearer token, and no header where there is none', () => {
    expect(openAi(loadConfig({ OPENAI_API_KEY: 'sk-1' })).headers).toEqual({
      Authorization: 'Bearer sk-1',
    });
    expect(openAi(settings).headers).toEqual({});
  });

  it('sends more headers and fields; what is asked wins', () => {
    const dialect = openAi(
      loadConfig({
        OPENAI_HEADERS: '{"X-Title":"a"}',
        OPENAI_BODY: '{"temperature":1,"service_tier":"flex","chat_template_kwargs":{"a":true}}',
      }),
    );
    expect(dialect.headers).toEqual({ 'X-Title': 'a' });
    expect(dialect.call(chat({ options: { temperature: 0 } })).body).toMatchObject({
      temperature: 0,
      service_tier: 'flex',
      chat_template_kwargs: { a: true },
      model: 'm',
      stream: true,
    });
  });

  describe('where a refusal names what is in the way', () => {
    const thinking = { role: 'assistant', content: '', thinking: 'hm' };
    const tools = [
      user,
      { ...thinking, tool_calls: [{ function: { name: 'f', arguments: {} } }] },
      { role: 'tool', content: '7', tool_name: 'f' },
      { ...thinking, content: 'said' },
    ];
    it.each<[string, ModelRequest, string, object, object]>([
      [
        'max_tokens',
        chat({ options: { num_predict: 9 } }),
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        { max_tokens: 9 },
        { max_completion_tokens: 9 },
      ],
      [
        'max_tokens alone',
        chat({ options: { num_predict: 9 } }),
        'Unrecognized request argument supplied: max_tokens',
        { max_tokens: 9 },
        { max_completion_tokens: 9 },
      ],
      [
        'a limit that is too large for the model',
        chat({ options: { num_predict: 9 } }),
        'max_tokens is too large: 9. This model supports at most 4 completion tokens',
        { max_tokens: 9 },
        { max_tokens: 4 },
      ],
      [
        'stream_options',
        chat(),
        'body.stream_options: Extra inputs are not permitted',
        { stream_options: { include_usage: true } },
        {},
      ],
      [
        'the schema of any JSON',
        chat({ format: 'json' }),
        "Unknown parameter: 'response_format.schema'.",
        { response_format: { type: 'json_object', schema: { type: 'object' } } },
        { response_format: { type: 'json_object' } },
      ],
    ])('asks without it: %s', (_what, request, said, before, after) => {
      const dialect = openAi(settings);
      const first = dialect.call(request);
      expect(first.body).toMatchObject(before);
      const second = first.otherwise?.(said);
      const names = Object.keys(before);
      const rest = Object.entries(first.body as object).filter(([name]) => !names.includes(name));
      expect(second?.body).toEqual({ ...Object.fromEntries(rest), ...after });
    });

    it('sends the thinking of turns with tool calls back, where it is missed', () => {
      const dialect = openAi(settings);
      const first = dialect.call(chat({ messages: tools }));
      expect(JSON.stringify(first.body)).not.toContain('reasoning_content');
      const second = first.otherwise?.(
        'thinking is enabled but reasoning_content is missing in assistant tool call message at index 1',
      );
      const { messages } = (second?.body ?? {}) as { messages: object[] };
      expect(messages[1]).toMatchObject({ reasoning_content: 'hm' });
      expect(messages[3]).not.toHaveProperty('reasoning_content');
      const third = second?.otherwise?.('reasoning_content must be removed');
      expect(JSON.stringify(third?.body)).not.toContain('reasoning_content');
    });

    it('leaves out the name of a tool beside its result', () => {
      const first = openAi(settings).call(chat({ messages: tools }));
      const second = first.otherwise?.('messages.2.name: Extra inputs are not permitted');
      expect(JSON.stringify(first.body)).toContain('"name":"f","tool_call_id"');
      expect(JSON.stringify(second?.body)).not.toContain('"name":"f","tool_call_id"');
      expect(JSON.stringify(second?.body)).toContain('"tool_call_id":"call_0"');
    });

    it.each(['max_tokens must be a whole number', 'temperature must be 1', ''])(
      'does not ask otherwise for what it names differently: %s',
      (said) => {
        const dialect = openAi(settings);
        expect(
          dialect.call(chat({ options: { num_predict: 9 } })).otherwise?.(said),
        ).toBeUndefined();
      },
    );

    it('remembers the limit of a model, but not what one prompt left of the context', () => {
      const dialect = openAi(settings);
      const request = chat({ options: { num_predict: 4096 } });
      const ofPrompt = dialect
        .call(request)
        .otherwise?.('The maximum context length is 2048 tokens; 30 in the messages.');
      expect(ofPrompt?.body).toMatchObject({ max_tokens: 2018 });
      ofPrompt?.accepted?.();
      expect(dialect.call(request).body).toMatchObject({ max_tokens: 4096 });
      const ofModel = dialect.call(request).otherwise?.('max_tokens must be at most 1024');
      ofModel?.accepted?.();
      expect(dialect.call(request).body).toMatchObject({ max_tokens: 1024 });
      expect(dialect.call(chat({ options: { num_predict: 7 } })).body).toMatchObject({
        max_tokens: 7,
      });
    });

    it('remembers it for that model once it was accepted, and not before', () => {
      const dialect = openAi(settings);
      const second = dialect.call(chat()).otherwise?.('stream_options: unknown field');
      expect(dialect.call(chat()).body).toHaveProperty('stream_options');
      second?.accepted?.();
      expect(dialect.call(chat()).body).not.toHaveProperty('stream_options');
      expect(dialect.call(chat({ model: 'other' })).body).toHaveProperty('stream_options');
      const elsewhere = openAi(settings);
      expect(elsewhere.call(chat()).body).toHaveProperty('stream_options');
    });
  });
});
