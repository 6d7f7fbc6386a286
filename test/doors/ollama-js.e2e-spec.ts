import { type ChatResponse, Ollama } from 'ollama';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { call } from '../support/rest.js';
import { ScriptedUpstream, type UpstreamCall } from '../support/scripted-upstream.js';
import { until } from '../support/until.js';

const model = 'llama3.2';
const messages = [{ role: 'user', content: 'why is the sky blue?' }];
const tools = [
  {
    type: 'function',
    function: {
      name: 'weather',
      description: 'The weather in a city.',
      parameters: { type: 'object', properties: { city: { type: 'string' } } },
    },
  },
];
/** One white pixel. */
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==';

/** A line of the scripted Ollama that says this in a chat. */
const chatLine = (message: object) => ({
  model,
  created_at: '2026-01-02T03:04:05Z',
  message: { role: 'assistant', content: '', ...message },
  done: false,
});

describe('ollama-js', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let ollama: Ollama;
  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, MAX_CONCURRENT: 8 });
    ollama = new Ollama({ host: app.url });
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  /** Asks for a stream. @returns the request at the upstream, and all lines of the answer */
  async function streamed(
    request: object = {},
  ): Promise<{ upstream: UpstreamCall; lines: Promise<ChatResponse[]> }> {
    const answer = ollama.chat({ model, messages, ...request, stream: true });
    const read = async (): Promise<ChatResponse[]> => {
      const lines: ChatResponse[] = [];
      for await (const line of await answer) lines.push(line);
      return lines;
    };
    const lines = read();
    lines.catch(() => undefined);
    return { upstream: await upstream.nextCall(), lines };
  }

  it('streams a chat, with the statistics in its last line', async () => {
    const { upstream: request, lines } = await streamed();
    request.text('The sky').text(' is blue').done();
    const all = await lines;
    expect(all.map(({ message }) => message.content).join('')).toBe('The sky is blue');
    expect(all.at(-1)).toMatchObject({
      model,
      done: true,
      done_reason: 'stop',
      total_duration: 2_500_000_000,
      prompt_eval_count: 11,
      eval_count: 3,
    });
  });

  it('gets a chat in one answer, with thinking and tool calls', async () => {
    const answer = ollama.chat({ model, messages, think: 'high', tools });
    const request = await upstream.nextCall();
    expect(request.body).toMatchObject({ think: 'high', tools });
    const calls = [{ function: { name: 'weather', arguments: { city: 'Oslo' } } }];
    request
      .line(chatLine({ thinking: 'I must ' }))
      .line(chatLine({ thinking: 'look.' }))
      .line(chatLine({ content: 'Let me see.' }))
      .line(chatLine({ tool_calls: calls }))
      .done();
    expect(await answer).toMatchObject({
      message: {
        role: 'assistant',
        content: 'Let me see.',
        thinking: 'I must look.',
        tool_calls: calls,
      },
      done: true,
      done_reason: 'stop',
    });
  });

  it('streams thinking and tool calls, and sends back what the tool said', async () => {
    const { upstream: request, lines } = await streamed({ tools });
    const calls = [{ function: { name: 'weather', arguments: { city: 'Oslo' } } }];
    request
      .line(chatLine({ thinking: 'Hm.' }))
      .line(chatLine({ tool_calls: calls }))
      .done();
    const all = await lines;
    expect(all.map(({ message }) => message.thinking ?? '').join('')).toBe('Hm.');
    expect(all.flatMap(({ message }) => message.tool_calls ?? [])).toEqual(calls);

    const turns = [
      ...messages,
      { role: 'assistant', content: '', tool_calls: calls },
      { role: 'tool', content: '7 degrees', tool_name: 'weather' },
    ];
    const second = await streamed({ messages: turns });
    expect(second.upstream.body['messages']).toEqual(turns);
    second.upstream.text('7 degrees.').done();
    expect((await second.lines).at(0)?.message.content).toBe('7 degrees.');
  });

  it('generates, with a system text, an image and a JSON Schema', async () => {
    const format = { type: 'object', properties: { colour: { type: 'string' } } };
    const answer = ollama.generate({
      model,
      prompt: 'which colour?',
      system: 'Answer in JSON.',
      images: [PNG],
      format,
      options: { temperature: 0, num_ctx: 4096, stop: ['\n\n'] },
      keep_alive: '5m',
    });
    const request = await upstream.nextCall();
    expect(request.body).toMatchObject({
      prompt: 'which colour?',
      system: 'Answer in JSON.',
      images: [PNG],
      format,
      options: { temperature: 0, stop: ['\n\n'] },
    });
    expect(request.body).not.toHaveProperty('options.num_ctx');
    request.text('{"colour":').text('"white"}').done();
    expect(JSON.parse((await answer).response ?? '')).toEqual({ colour: 'white' });
  });

  it('streams a generation', async () => {
    const answer = await ollama.generate({ model, prompt: 'x', stream: true }).catch(String);
    if (typeof answer === 'string') throw new Error(answer);
    (await upstream.nextCall()).text('one').text(' two').done();
    let text = '';
    for await (const { response } of answer) text += response;
    expect(text).toBe('one two');
  });

  it.each(['abort', 'break'])('%s stops the model', async (how) => {
    const answer = ollama.chat({ model, messages, stream: true });
    const request = await upstream.nextCall();
    request.text('one');
    const stream = await answer;
    try {
      for await (const _line of stream) {
        if (how === 'break') break;
        stream.abort();
      }
    } catch {
      // An aborted stream throws.
    }
    stream.abort();
    await request.closed;
    expect(request.isOpen).toBe(false);
  });

  it('lists, shows and names the version', async () => {
    const { models } = await ollama.list();
    expect(models.map(({ name }) => name)).toEqual(['llama3.2']);
    expect(models[0]?.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(await ollama.ps()).toEqual({ models: [] });
    expect(await ollama.show({ model: 'llama3.2' })).toMatchObject({
      capabilities: ['completion'],
      model_info: { 'general.architecture': 'llm-cast' },
    });
    expect((await call('GET', `${app.url}/api/version`)).body).toEqual({
      version: '0.33.0-scripted',
    });
  });

  it('shows what the list of an older Ollama does not tell', async () => {
    upstream.shown = {
      capabilities: ['completion', 'tools', 'thinking'],
      model_info: { 'general.architecture': 'qwen3', 'qwen3.context_length': 40_960 },
    };
    try {
      expect(await ollama.show({ model: 'llama3.2' })).toMatchObject({
        capabilities: ['completion', 'tools', 'thinking'],
        model_info: { 'llm-cast.context_length': 40_960 },
      });
    } finally {
      upstream.shown = undefined;
    }
  });

  it.each([
    ['pull', () => ollama.pull({ model: 'x' }), 403, 'forbidden'],
    ['delete', () => ollama.delete({ model: 'x' }), 403, 'forbidden'],
    ['create', () => ollama.create({ model: 'x', from: 'y' }), 403, 'forbidden'],
    ['embed', () => ollama.embed({ model: 'x', input: 'y' }), 404, 'not_found'],
    ['show of no such model', () => ollama.show({ model: 'nothing' }), 404, 'model_not_found'],
    ['an unload', () => ollama.generate({ model, prompt: '', keep_alive: 0 }), 403, 'forbidden'],
  ])('%s is refused with a sentence', async (_name, ask, status, code) => {
    await expect(ask()).rejects.toMatchObject({
      status_code: status,
      error: expect.stringMatching(new RegExp(`\\. ?.*\\(${code}\\)$`)),
    });
  });

  it('names what was ignored, and refuses by name what would change the answer', async () => {
    const asked = call('POST', `${app.url}/api/generate`, {
      model,
      prompt: 'x',
      stream: false,
      keep_alive: '1h',
      options: { num_ctx: 1, mirostat: 1 },
      unknown: 1,
    });
    (await upstream.nextCall()).text('y').done();
    const { headers, status } = await asked;
    expect([status, headers.get('warning')]).toEqual([
      200,
      '299 llm-cast "ignored, as the operator sets it here: keep_alive, options.num_ctx, options.mirostat"',
    ]);
    for (const field of [{ raw: true }, { template: 'x' }, { context: [1] }, { logprobs: true }]) {
      const { status, body } = await call('POST', `${app.url}/api/generate`, {
        model,
        prompt: 'x',
        ...field,
      });
      expect([status, body.code]).toEqual([400, 'invalid_request']);
      expect(body.error).toContain(Object.keys(field)[0]);
    }
  });

  it('takes an empty suffix for none', async () => {
    const asked = call('POST', `${app.url}/api/generate`, {
      model,
      prompt: 'x',
      suffix: '',
      stream: false,
    });
    const request = await upstream.nextCall();
    request.text('y').done();
    expect((await asked).status).toBe(200);
    expect(request.body).not.toHaveProperty('suffix');
  });

  it('tells useChat where its door is', async () => {
    const { status, body } = await call('POST', `${app.url}/api/chat`, {
      id: 'c',
      messages: [{ id: 'm', role: 'user', parts: [{ type: 'text', text: 'x' }] }],
    });
    expect([status, body.error]).toEqual([400, expect.stringContaining('/ai/chat')]);
  });

  it('takes JSON without its content type of a program, as `curl -d` sends it, and of no browser', async () => {
    const asked = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${app.url}/api/chat`, {
        method: 'POST',
        body: JSON.stringify({ model, messages, stream: false }),
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      });
    const answer = asked({});
    (await upstream.nextCall()).text('The sky').done();
    expect(await (await answer).json()).toMatchObject({ message: { content: 'The sky' } });
    expect((await asked({ origin: 'http://localhost:5173' })).status).toBe(415);
    expect((await asked({ 'sec-fetch-site': 'same-origin' })).status).toBe(415);
  });

  it('says that Ollama is running to a client, and shows the page to a browser', async () => {
    const said = await fetch(app.url);
    expect([await said.text(), said.headers.get('vary')]).toEqual([
      'Ollama is running',
      expect.stringContaining('Accept'),
    ]);
    expect((await fetch(app.url, { method: 'HEAD' })).status).toBe(200);
    const page = await fetch(app.url, { headers: { accept: 'text/html,*/*;q=0.8' } });
    expect(await page.text()).not.toBe('Ollama is running');
  });

  it('tells the place in the line in lines with an empty text, and not what is told to nobody', async () => {
    const small = await startApp({ OLLAMA_BASE_URL: upstream.url, MAX_CONCURRENT: 1 });
    try {
      const client = new Ollama({ host: small.url });
      const first = client.chat({ model, messages });
      const running = await upstream.nextCall();
      const waiting = await client.chat({ model, messages, stream: true });
      const lines: (ChatResponse & { queue?: { position: number } })[] = [];
      const read = (async () => {
        for await (const line of waiting) lines.push(line);
      })();
      await until(() => lines.length > 0);
      expect(lines[0]).toMatchObject({
        message: { role: 'assistant', content: '' },
        done: false,
        queue: { position: 1 },
      });
      running.text('x').done();
      await first;
      (await upstream.nextCall()).text('y').done();
      await read;
      expect(lines.map(({ message }) => message.content).join('')).toBe('y');
    } finally {
      await small.close();
    }
  });
});
