import { request } from 'node:http';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { KeysFile } from '../support/credentials.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';
import { until } from '../support/until.js';

/**
 * What Open WebUI sends and how it reads the answers, as its routers/openai.py, routers/ollama.py and
 * utils/middleware.py have it: too large to be installed for a test.
 */
const FORWARDED = {
  'x-openwebui-user-name': 'Ada%20L',
  'x-openwebui-user-id': '5b1f',
  'x-openwebui-user-email': 'ada@example.org',
  'x-openwebui-user-role': 'user',
  'x-openwebui-chat-id': 'c0ffee',
};
interface Chunk {
  choices: { delta: { content?: string; reasoning_content?: string } }[];
  usage?: object;
  error?: object;
}
interface Line {
  message: { content: string };
}
const AGENT = { 'user-agent': 'Python/3.11 aiohttp/3.13.2', accept: '*/*' };

describe('Open WebUI', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let headers: Record<string, string>;
  beforeAll(async () => {
    const keys = new KeysFile();
    const key = keys.add('k1', { tenant: 'webui' });
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, API_KEYS_FILE: keys.path });
    headers = { ...AGENT, ...FORWARDED, authorization: `Bearer ${key}` };
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  /** A connection of aiohttp: its body so far, and a way to close it as a cancelled task does. */
  function post(path: string, body: object) {
    const seen = { status: 0, type: '', text: '', isOver: false };
    const asked = request(
      `${app.url}${path}`,
      { method: 'POST', headers: { ...headers, 'content-type': 'application/json' } },
      (response) => {
        seen.status = response.statusCode ?? 0;
        seen.type = response.headers['content-type'] ?? '';
        response.setEncoding('utf8').on('data', (text: string) => (seen.text += text));
        response.on('close', () => (seen.isOver = true));
        response.on('error', () => undefined);
      },
    );
    asked.on('error', () => (seen.isOver = true));
    asked.end(JSON.stringify(body));
    return { seen, close: () => asked.destroy() };
  }

  /** Its middleware looks at lines that begin with `data:`, and at nothing else. */
  const dataIn = (text: string): Chunk[] =>
    text
      .split('\n')
      .filter((line) => line.startsWith('data:') && !line.includes('[DONE]'))
      .map((line) => JSON.parse(line.slice('data:'.length)) as Chunk);

  const chat = {
    stream: true,
    model: 'llama3.2',
    messages: [
      { role: 'system', content: 'User: Ada' },
      { role: 'user', content: 'why?' },
    ],
    stream_options: { include_usage: true },
    // What its advanced parameters and its functions may add.
    temperature: 0.8,
    max_tokens: 128,
    reasoning_effort: 'medium',
    features: { web_search: false },
    variables: { '{{USER_NAME}}': 'Ada' },
    session_id: 's',
    background_tasks: { title_generation: true },
  };

  it('lists the models of an OpenAI connection, and is refused with a wrong key', async () => {
    const list = await fetch(`${app.url}/v1/models`, { headers });
    expect(await list.json()).toMatchObject({
      object: 'list',
      data: [{ id: 'llama3.2', object: 'model' }],
    });
    const wrong = { ...headers, authorization: 'Bearer wrong' };
    const refused = await fetch(`${app.url}/v1/models`, { headers: wrong });
    expect([refused.status, await refused.json()]).toMatchObject([
      401,
      { error: { message: expect.any(String) } },
    ]);
  });

  it('chats: thinking, text, usage', async () => {
    const { seen } = post('/v1/chat/completions', chat);
    const call = await upstream.nextCall();
    expect(call.body).toMatchObject({ options: { temperature: 0.8, num_predict: 128 } });
    call.line({ message: { role: 'assistant', content: '', thinking: 'Hm.' }, done: false });
    call.text('The sky').text(' is blue').done();
    await until(() => seen.isOver);
    expect([seen.status, seen.type]).toEqual([200, expect.stringContaining('text/event-stream')]);
    const chunks = dataIn(seen.text);
    const deltas = chunks.map(({ choices }) => choices[0]?.delta ?? {});
    expect(deltas.map(({ reasoning_content: text = '' }) => text).join('')).toBe('Hm.');
    expect(deltas.map(({ content = '' }) => content).join('')).toBe('The sky is blue');
    expect(chunks.at(-1)?.usage).toMatchObject({ total_tokens: 14 });
  });

  it('makes a title, without a stream', async () => {
    const { stream_options: _options, ...rest } = chat;
    const body = { ...rest, stream: false, max_completion_tokens: 1000 };
    const { seen } = post('/v1/chat/completions', body);
    (await upstream.nextCall()).text('{"title": "Blue"}').done();
    await until(() => seen.isOver);
    const { choices } = JSON.parse(seen.text) as { choices: { message: { content: string } }[] };
    expect(choices[0]?.message.content).toBe('{"title": "Blue"}');
  });

  it('Stop closes the connection: the model stops', async () => {
    const { seen, close } = post('/v1/chat/completions', chat);
    const call = await upstream.nextCall();
    call.text('The sky');
    await until(() => seen.text.includes('The sky'));
    close();
    await call.closed;
  });

  it('shows the error of an answer that breaks off', async () => {
    const { seen } = post('/v1/chat/completions', chat);
    const call = await upstream.nextCall();
    call.text('The sky');
    await until(() => seen.text.includes('The sky'));
    call.reset();
    await until(() => seen.isOver);
    const { error } = dataIn(seen.text).at(-1) ?? {};
    expect(error).toMatchObject({ code: 'upstream_truncated', message: expect.any(String) });
    expect(seen.text).not.toContain('[DONE]');
  });

  it('chats over an Ollama connection, which it asks for its version, models and what runs', async () => {
    const get = async (path: string) => (await fetch(`${app.url}${path}`, { headers })).json();
    expect(await get('/api/version')).toMatchObject({ version: expect.any(String) });
    expect(await get('/api/tags')).toMatchObject({
      models: [{ name: 'llama3.2', model: 'llama3.2' }],
    });
    expect(await get('/api/ps')).toEqual({ models: [] });
    const { messages } = chat;
    const options = { temperature: 0.8, num_ctx: 4096 };
    const body = { model: 'llama3.2', messages, options, stream: true, keep_alive: '5m' };
    const { seen } = post('/api/chat', body);
    (await upstream.nextCall()).text('The sky').text(' is blue').done();
    await until(() => seen.isOver);
    const lines = seen.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
    expect(lines.map(({ message }) => message.content).join('')).toBe('The sky is blue');
    expect(lines.at(-1)).toMatchObject({ done: true, eval_count: 3, prompt_eval_count: 11 });
  });
});
