import { type AIMessageChunk, HumanMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import OpenAI from 'openai';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { OpenAiUpstream } from '../support/openai-upstream.js';
import { ScriptedUpstream, type UpstreamCall } from '../support/scripted-upstream.js';

const messages = [{ role: 'user' as const, content: 'why is the sky blue?' }];

const tools = [
  {
    type: 'function' as const,
    function: {
      name: 'weather',
      description: 'The weather in a city.',
      parameters: { type: 'object', properties: { city: { type: 'string' } } },
    },
  },
];
/** As Ollama says a call of it. */
const CALL = { function: { name: 'weather', arguments: { city: 'Oslo' } } };
const schema = {
  type: 'object',
  properties: { colour: { type: 'string' } },
  required: ['colour'],
  additionalProperties: false,
};
/** One white pixel. */
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==';
const line = (message: object) => ({
  message: { role: 'assistant', content: '', ...message },
  done: false,
});

let upstream: ScriptedUpstream;
let app: RunningServer;
let client: OpenAI;
beforeAll(async () => {
  upstream = await ScriptedUpstream.start();
  app = await startApp({ OLLAMA_BASE_URL: upstream.url, MAX_CONCURRENT: 8 });
  client = new OpenAI({ baseURL: `${app.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  await app?.close();
  await upstream?.close();
});

/** Answers the next request. @returns it */
async function answered(text: string, reason = 'stop'): Promise<UpstreamCall> {
  const call = await upstream.nextCall();
  call.text(text).done({ done_reason: reason });
  return call;
}

describe('the OpenAI SDK', () => {
  it('streams a chat completion', async () => {
    const asked = client.chat.completions.create({ model: 'llama3.2', messages, stream: true });
    const call = await upstream.nextCall();
    call.text('The sky').text(' is blue').done();
    let text = '';
    let finish: string | null = null;
    for await (const { choices } of await asked) {
      text += choices[0]?.delta.content ?? '';
      finish = choices[0]?.finish_reason ?? finish;
    }
    expect([text, finish]).toEqual(['The sky is blue', 'stop']);
    expect(call.body).toMatchObject({ model: 'llama3.2', messages });
  });

  it('gets a chat completion in one answer', async () => {
    const asked = client.chat.completions.create({ model: 'llama3.2', messages });
    (await upstream.nextCall()).text('The sky').text(' is blue').done();
    expect(await asked).toMatchObject({
      object: 'chat.completion',
      choices: [{ message: { role: 'assistant', content: 'The sky is blue' } }],
      usage: { prompt_tokens: 11, completion_tokens: 3, total_tokens: 14 },
    });
  });

  it('streams thinking and tool calls, and tells the usage at the end', async () => {
    const asked = client.chat.completions.create({
      model: 'llama3.2',
      messages,
      tools,
      reasoning_effort: 'high',
      stream: true,
      stream_options: { include_usage: true },
    });
    const call = await upstream.nextCall();
    expect(call.body).toMatchObject({ tools, think: 'high' });
    call.line(line({ thinking: 'Hm.' })).line(line({ tool_calls: [CALL, CALL] }));
    call.done();
    let thinking = '';
    const calls: { id?: string; name?: string; arguments: string }[] = [];
    let last: unknown;
    for await (const { choices, usage } of await asked) {
      const { delta } = choices[0] ?? {};
      thinking += (delta as { reasoning_content?: string } | undefined)?.reasoning_content ?? '';
      for (const { index, id, function: called } of delta?.tool_calls ?? []) {
        calls[index] ??= {
          ...(id && { id }),
          ...(called?.name && { name: called.name }),
          arguments: '',
        };
        calls[index].arguments += called?.arguments ?? '';
      }
      last = choices.length === 0 ? usage : undefined;
    }
    expect(thinking).toBe('Hm.');
    expect(calls.map(({ name, arguments: given }) => [name, JSON.parse(given)])).toEqual([
      ['weather', { city: 'Oslo' }],
      ['weather', { city: 'Oslo' }],
    ]);
    expect(new Set(calls.map(({ id }) => id)).size).toBe(2);
    expect(last).toEqual({ prompt_tokens: 11, completion_tokens: 3, total_tokens: 14 });
  });

  it('sends pictures, the answer of a tool, and the sampling it wants', async () => {
    const asked = client.chat.completions.create({
      model: 'llama3.2',
      messages: [
        { role: 'developer', content: 'Be short.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'what is it?' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } },
          ],
        },
        {
          role: 'assistant',
          tool_calls: [
            {
              id: 'c1',
              type: 'function',
              function: { name: 'weather', arguments: '{"city":"Oslo"}' },
            },
          ],
        },
        { role: 'tool', tool_call_id: 'c1', content: 'rain' },
      ],
      temperature: 0,
      seed: 7,
      stop: ['END'],
      max_completion_tokens: 20,
    });
    const { body } = await answered('a dot', 'length');
    expect((await asked).choices[0]?.finish_reason).toBe('length');
    expect(body).toMatchObject({
      messages: [
        { role: 'system', content: 'Be short.' },
        { role: 'user', content: 'what is it?', images: [PNG] },
        { role: 'assistant', tool_calls: [CALL] },
        { role: 'tool', content: 'rain' },
      ],
      options: { temperature: 0, seed: 7, stop: ['END'], num_predict: 20 },
    });
  });

  it('may send null for what a part of a message has not, as the Agents SDK does', async () => {
    const part = { type: 'text', text: 'why?', refusal: null, image_url: null } as never;
    const asked = client.chat.completions.create({
      model: 'llama3.2',
      messages: [{ role: 'user', content: [part] }],
    });
    const { body } = await answered('because');
    expect(body).toMatchObject({ messages: [{ content: 'why?' }] });
    await asked;
  });

  it.each(['null', '', null])('may send a call without arguments as %j', async (none) => {
    const called = { id: 'c', type: 'function', function: { name: 'now', arguments: none } };
    const body = {
      model: 'llama3.2',
      messages: [
        ...messages,
        { role: 'assistant', tool_calls: [called] },
        { role: 'tool', tool_call_id: 'c', content: 'noon' },
      ],
    } as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming;
    const asked = client.chat.completions.create(body);
    const [call] = await Promise.all([answered('ok'), asked]);
    expect(call).toMatchObject({
      body: { messages: [{}, { tool_calls: [{ function: { arguments: {} } }] }, {}] },
    });
  });

  it('is told which part of a message is wrong', async () => {
    const image = { type: 'image_url', image_url: {} } as never;
    const content = [{ type: 'text' as const, text: 'why?' }, image];
    await expect(
      client.chat.completions.create({ model: 'llama3.2', messages: [{ role: 'user', content }] }),
    ).rejects.toMatchObject({ status: 400, param: 'messages.0.content.1.image_url.url' });
  });

  it('gets an answer in a JSON Schema, parsed', async () => {
    const asked = client.chat.completions.parse({
      model: 'llama3.2',
      messages,
      response_format: { type: 'json_schema', json_schema: { name: 'c', strict: true, schema } },
    });
    const { body } = await answered('{"colour":"blue"}');
    expect(body['format']).toEqual(schema);
    expect((await asked).choices[0]?.message.parsed).toEqual({ colour: 'blue' });
  });

  it('is told its place in the line by comments, which it skips', async () => {
    const busy = await startApp({ OLLAMA_BASE_URL: upstream.url, MAX_CONCURRENT: 1 });
    const at = new OpenAI({ baseURL: `${busy.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const ask = () => at.chat.completions.create({ model: 'llama3.2', messages, stream: true });
    const first = ask();
    const call = await upstream.nextCall();
    const raw = await ask().asResponse();
    const second = raw.text();
    const third = ask();
    call.text('one').done();
    for (const text of ['two', 'three']) (await upstream.nextCall()).text(text).done();
    const texts = [];
    for (const stream of [await first, await third]) {
      let text = '';
      for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
      texts.push(text);
    }
    await busy.close();
    expect(texts).toEqual(['one', 'three']);
    expect(await second).toMatch(/^: queued position=1\b/m);
  });

  it('lists the models', async () => {
    const models = [];
    for await (const { id } of client.models.list()) models.push(id);
    expect(models).toEqual(['llama3.2']);
    expect(await client.models.retrieve('llama3.2')).toMatchObject({ object: 'model' });
    await expect(client.models.retrieve('none')).rejects.toMatchObject({ status: 404 });
  });
});

describe('a field that the server of the model does not know', () => {
  it('is named as the client has sent it', async () => {
    const server = await ScriptedUpstream.start();
    const env = { OLLAMA_BASE_URL: '', OPENAI_BASE_URL: server.url, OPENAI_MODEL: 'gpt' };
    const other = await startApp(env);
    try {
      const { chat } = new OpenAI({ baseURL: `${other.url}/v1`, apiKey: 'none', maxRetries: 0 });
      const asked = { model: 'gpt', messages, top_k: 1 };
      await expect(chat.completions.create(asked)).rejects.toMatchObject({
        status: 400,
        param: 'top_k',
        message: expect.not.stringContaining('options.'),
      });
    } finally {
      await other.close();
      await server.close();
    }
  });
});

describe('a JSON Schema that is to be kept strictly', () => {
  it('is so at an OpenAI-compatible server, which takes another one for advice', async () => {
    const server = await OpenAiUpstream.start();
    const env = { OLLAMA_BASE_URL: '', OPENAI_BASE_URL: server.url, OPENAI_MODEL: 'gpt-demo' };
    const other = await startApp(env);
    try {
      const named = { name: 'c', schema, strict: true };
      const to = new OpenAI({ baseURL: `${other.url}/v1`, apiKey: 'none', maxRetries: 0 });
      const format = { type: 'json_schema' as const, ...named };
      const asks = [
        () =>
          to.chat.completions.create({
            model: 'gpt-demo',
            messages,
            response_format: { type: 'json_schema', json_schema: named },
          }),
        () => to.responses.create({ model: 'gpt-demo', input: 'hi', text: { format } }),
      ];
      for (const ask of asks) {
        const asked = ask();
        const call = await server.nextCall();
        call.text('{"colour":"blue"}').done();
        expect(call.body['response_format']).toMatchObject({
          type: 'json_schema',
          json_schema: { schema, strict: true },
        });
        await asked;
      }
    } finally {
      await other.close();
      await server.close();
    }
  });
});

describe('LangChain.js', () => {
  const model = (fields: object = {}) =>
    new ChatOpenAI({
      model: 'llama3.2',
      apiKey: 'none',
      maxRetries: 0,
      configuration: { baseURL: `${app.url}/v1` },
      ...fields,
    });

  it.each([false, true])(
    'calls tools, and tells the usage; responses: %s',
    async (useResponsesApi) => {
      const asked = model({ useResponsesApi }).bindTools(tools).invoke('weather in Oslo?');
      const call = await upstream.nextCall();
      expect(call.body).toMatchObject({ tools });
      call.line(line({ content: 'Let me see.', tool_calls: [CALL] })).done();
      const answer = await asked;
      expect([answer.text, answer.usage_metadata]).toMatchObject([
        'Let me see.',
        { input_tokens: 11, output_tokens: 3, total_tokens: 14 },
      ]);
      expect(answer.tool_calls).toMatchObject([{ name: 'weather', args: { city: 'Oslo' } }]);
    },
  );

  it('streams text, with the usage at the end', async () => {
    const stream = model({ streamUsage: true }).stream('why?');
    (await upstream.nextCall()).text('The sky').text(' is blue').done();
    let whole: AIMessageChunk | undefined;
    for await (const chunk of await stream)
      whole = whole === undefined ? chunk : whole.concat(chunk);
    expect(whole?.text).toBe('The sky is blue');
    expect(whole?.usage_metadata).toMatchObject({ input_tokens: 11, output_tokens: 3 });
  });

  it('gets structured output, and sends pictures', async () => {
    const asked = model()
      .withStructuredOutput(schema, { method: 'jsonSchema', name: 'c' })
      .invoke([
        new HumanMessage({
          content: [
            { type: 'text', text: 'which colour?' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } },
          ],
        }),
      ]);
    const { body } = await answered('{"colour":"blue"}');
    expect(body).toMatchObject({ format: schema, messages: [{ images: [PNG] }] });
    expect(await asked).toEqual({ colour: 'blue' });
  });
});
