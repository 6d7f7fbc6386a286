import {
  createServer,
  type IncomingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { call } from './support/rest.js';
import { until } from './support/until.js';

/*
 * What servers that people really use do differently from what their protocol says, through the whole
 * of llm-cast.
 */

type Body = Record<string, unknown>;
interface Asked {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  /** As it came, every digit of it. */
  raw: string;
  body: Body;
  response: ServerResponse;
}

const SSE = { 'content-type': 'text/event-stream' };
const JSON_TYPE = { 'content-type': 'application/json' };
const json = (status: number, value: unknown, headers: Record<string, string> = {}) => {
  return ({ response }: Asked): void =>
    void response.writeHead(status, { ...JSON_TYPE, ...headers }).end(JSON.stringify(value));
};
const refuse = (status: number, message: string, headers: Record<string, string> = {}) =>
  json(status, { error: { message } }, headers);
const chunk = (delta: object, finish: string | null = null): string =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const answer =
  (...pieces: object[]) =>
  ({ response }: Asked): void => {
    const frames = pieces.map((delta) => chunk(delta)).join('');
    response.writeHead(200, SSE).end(`${frames}${chunk({}, 'stop')}data: [DONE]\n\n`);
  };
const YES = answer({ content: 'yes' });

/** A server that answers each path as the test says, and keeps what it was asked to generate. */
class AnyServer {
  /** By path, without its query; a generation is answered by the first that is left, or the last. */
  answers: Record<string, ((asked: Asked) => void) | ((asked: Asked) => void)[]> = {};
  readonly generations: Asked[] = [];
  readonly paths: string[] = [];
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const raw = Buffer.concat(pieces).toString();
        const { method = '', url = '', headers } = request;
        const path = url.split('?')[0] ?? '';
        const body = raw === '' ? {} : (JSON.parse(raw) as Body);
        const asked = { method, path: url, headers, raw, body, response };
        this.paths.push(url);
        if (method === 'POST') this.generations.push(asked);
        const how = this.answers[path] ?? json(404, 'not here');
        const one = Array.isArray(how) ? (how.length > 1 ? how.shift() : how[0]) : how;
        one?.(asked);
      });
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

let server: AnyServer;
let url: string;
let app: RunningServer;
let client: Client;

beforeEach(async () => {
  server = new AnyServer();
  url = await server.start();
});
afterEach(async () => {
  client?.close();
  await app?.close();
  await server?.close();
});

const serve = async (env: Record<string, string | number>): Promise<void> => {
  app = await startApp(env);
  client = await Client.connect(app.socketUrl);
  // Its lists are looked at once.
  await call('GET', `${app.url}/llm/models`);
};
const serveOpenAi = (env: Record<string, string | number> = {}): Promise<void> =>
  serve({ OLLAMA_BASE_URL: '', OPENAI_BASE_URL: url, OPENAI_MODEL: 'm', ...env });
const serveOllama = (env: Record<string, string | number> = {}): Promise<void> =>
  serve({ OLLAMA_BASE_URL: url, ...env });
const MESSAGES = [{ role: 'user', content: 'hi' }];
const ask = async (more: object = {}): Promise<string> =>
  (await client.accepted('chat', { messages: MESSAGES, ...more })).generationId;
const chat = async (more: object = {}) => client.ended(await ask(more));
const ready = async () => (await call('GET', `${app.url}/health/ready`)).body as Body;
const models = (said: unknown) => json(200, said);

describe('a list of models is not the truth', () => {
  it.each<[string, unknown, string]>([
    ['an alias (llama.cpp)', { data: [{ id: 'first', aliases: ['first', 'second'] }] }, 'second'],
    ['latest on one side', { data: [{ id: 'smollm2:latest' }] }, 'smollm2'],
    ['a wildcard (LiteLLM)', { data: [{ id: 'any/*' }] }, 'any/smollm2'],
    ['a suffix (OpenRouter)', { data: [{ id: 'vendor/m' }] }, 'vendor/m:nitro'],
    ['blanks and brackets', { data: [{ id: 'Qwen 3 8B (Q4_K_M)' }] }, 'Qwen 3 8B (Q4_K_M)'],
    ['a bare list', [{ id: 'm' }], 'm'],
    ['an odd entry', { data: [null, { id: 7 }, { id: 'm' }] }, 'm'],
    ['not a word of the model, the only server there is', { data: [{ id: 'x' }] }, 'unlisted'],
  ])('so the server is asked: %s', async (_what, list, model) => {
    server.answers = { '/v1/models': models(list), '/v1/chat/completions': YES };
    await serveOpenAi();
    expect(await chat({ model })).toMatchObject({ state: 'completed' });
    expect(server.generations.map(({ body }) => body['model'])).toEqual([model]);
    expect(await ready()).toMatchObject({ status: 'ok' });
  });

  it.each<[string, (asked: Asked) => void]>([
    ['may not be read', refuse(403, 'forbidden')],
    ['is not there', refuse(404, 'no such path')],
    ['is no list', json(200, { ok: true })],
    ['cannot be asked for', refuse(405, 'method not allowed')],
  ])('nor is readiness: a list that %s', async (_what, list) => {
    server.answers = { '/v1/models': list, '/v1/chat/completions': YES };
    await serveOpenAi();
    expect(await ready()).toMatchObject({ status: 'ok', upstreams: [{ reachable: true }] });
    expect(await chat()).toMatchObject({ state: 'completed' });
  });

  it('nor is a list that fails, once the server has answered a request', async () => {
    server.answers = { '/v1/models': refuse(500, 'broken'), '/v1/chat/completions': YES };
    await serveOpenAi();
    expect(await ready()).toMatchObject({ status: 'no_upstream' });
    expect(await chat()).toMatchObject({ state: 'completed' });
    expect(await ready()).toMatchObject({ status: 'ok', upstreams: [{ circuit: 'closed' }] });
  });

  it("the operator's own model is asked for although nobody lists it", async () => {
    server.answers = {
      '/api/tags': models({ models: [{ name: 'other' }] }),
      '/v1/models': models({ data: [{ id: 'x' }] }),
      '/api/chat': json(404, { error: "model 'llama3.2' not found" }),
      '/v1/chat/completions': YES,
    };
    await serve({ OLLAMA_BASE_URL: url, OPENAI_BASE_URL: url, OPENAI_MODEL: 'mine' });
    expect(await chat()).toMatchObject({ code: 'model_not_found' });
    expect(await chat({ model: 'mine' })).toMatchObject({ state: 'completed' });
    expect(await chat({ model: 'nobodys' })).toMatchObject({ code: 'model_not_found' });
    expect(server.generations.map(({ path }) => path)).toEqual([
      '/api/chat',
      '/v1/chat/completions',
    ]);
  });

  it('library/ and the registry may stand before a name at Ollama', async () => {
    server.answers = {
      '/api/tags': models({ models: [{ name: 'x:latest' }, {}, { name: 'y:1b', details: 7 }] }),
      '/api/chat': ({ response }) =>
        void response.writeHead(200, JSON_TYPE).end('{"message":{"content":"yes"},"done":true}'),
    };
    await serve({ OLLAMA_BASE_URL: [url, 'http://127.0.0.1:1'].join() });
    for (const model of ['library/x', 'registry.ollama.ai/library/x:latest', 'Y:1B']) {
      expect(await chat({ model })).toMatchObject({ state: 'completed' });
    }
  });

  it('says what is loaded, and both lengths of the context (llama.cpp)', async () => {
    const meta = { n_ctx: 2048, n_ctx_train: 8192, size: 96_576_768 };
    server.answers = {
      '/v1/models': models({
        data: [
          { id: 'a', aliases: ['a', 'b'], meta, status: { value: 'loaded' } },
          { id: 'c', status: { value: 'unloaded' } },
        ],
      }),
    };
    await serveOpenAi();
    const unknown = { size: null, contextLength: null, maxContextLength: null };
    const common = { upstream: 'openai', capabilities: [] };
    expect((await call('GET', `${app.url}/llm/models`)).body).toEqual({
      models: [
        {
          name: 'a',
          size: 96_576_768,
          contextLength: 2048,
          maxContextLength: 8192,
          loaded: true,
          ...common,
        },
        { name: 'c', ...unknown, loaded: false, ...common },
      ],
    });
  });
});

describe('a refusal', () => {
  beforeEach(() => {
    server.answers = { '/v1/models': models({ data: [{ id: 'm' }, { id: 'n' }] }) };
  });

  it('of images is final, names them, is tried once and no reason to avoid the server', async () => {
    const hint = 'image input is not supported - hint: you may need to provide the mmproj';
    server.answers['/v1/chat/completions'] = refuse(500, hint);
    await serveOpenAi();
    const images = ['iVBORw0KGgoAAAAN'];
    for (let n = 0; n < 4; n++) {
      expect(await chat({ messages: [{ role: 'user', content: 'What?', images }] })).toMatchObject({
        code: 'upstream_rejected',
        retryable: false,
        detail: `The model does not support images. It said: ${hint}`,
      });
    }
    expect(server.generations).toHaveLength(4);
    expect(await ready()).toMatchObject({ upstreams: [{ circuit: 'closed' }] });
  });

  it('reaches the client with its reason, cleaned', async () => {
    const said = `Invalid value for 'temperature' at http://10.1.2.3:8000/x, key sk-abcdefgh12345678; prompt was 'hi there everybody'`;
    server.answers['/v1/chat/completions'] = refuse(400, said);
    await serveOpenAi();
    const messages = [{ role: 'user', content: 'hi there everybody' }];
    const { detail } = (await chat({ messages })) as unknown as { detail: string };
    expect(detail).toMatch(
      /^The model server refused the request\. It said: Invalid value for 'temp/,
    );
    expect(detail).not.toMatch(/10\.1\.2\.3|abcdefgh|everybody/);
  });

  it('that is a redirect names the host, also to the doctor', async () => {
    const location = 'https://login.example.com/secret?token=1';
    const away = refuse(302, 'Found', { location });
    server.answers = { '/v1/models': away, '/v1/chat/completions': away };
    await serveOpenAi();
    const { detail } = (await chat()) as unknown as { detail: string };
    expect(detail).toContain('redirect to login.example.com');
    expect(detail).not.toContain('secret');
    const { body } = await call('GET', `${app.url}/llm/models`);
    expect((body as { message: string }).message).toContain('redirect to login.example.com');
  });

  it('of the key is named, where LiteLLM has no database', async () => {
    const unknown = json(400, { error: { message: 'No connected db.', type: 'no_db_connection' } });
    server.answers = { '/v1/models': unknown, '/v1/chat/completions': unknown };
    await serveOpenAi({ OPENAI_API_KEY: 'wrong' });
    expect(await chat()).toMatchObject({
      code: 'upstream_unauthorized',
      detail: "The model server does not know llm-cast's key.",
    });
    expect(await ready()).toMatchObject({ status: 'no_upstream' });
  });

  it('for this minute is waited for as told, although it speaks of a quota', async () => {
    const said = 'You exceeded your current quota of 3 requests per minute. Try again in 50ms.';
    server.answers['/v1/chat/completions'] = [refuse(429, said), YES];
    await serveOpenAi();
    expect(await chat()).toMatchObject({ state: 'completed' });
    expect(server.generations).toHaveLength(2);
  });

  it('of one model does not close the others, and a request counts once', async () => {
    server.answers['/v1/chat/completions'] = (asked) =>
      asked.body['model'] === 'm' ? refuse(502, 'bad gateway')(asked) : YES(asked);
    await serveOpenAi();
    const circuit = async () => (await ready())['upstreams'] as { circuit: string }[];
    expect(await chat()).toMatchObject({ code: 'upstream_error' });
    expect(server.generations).toHaveLength(3);
    expect(await circuit()).toMatchObject([{ circuit: 'closed' }]);
    await chat();
    await chat();
    expect(await circuit()).toMatchObject([{ circuit: 'open' }]);
    expect(await chat({ model: 'n' })).toMatchObject({ state: 'completed' });
    expect(await circuit()).toMatchObject([{ circuit: 'closed' }]);
  });
});

describe('a field that a server does not take', () => {
  const taken = (name: string, said: string) => (asked: Asked) =>
    asked.raw.includes(`"${name}"`) ? refuse(400, said)(asked) : YES(asked);

  beforeEach(() => {
    server.answers = { '/v1/models': models({ data: [{ id: 'm' }, { id: 'n' }] }) };
  });

  it.each<[string, string, object]>([
    [
      'max_tokens',
      "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
      { options: { num_predict: 9 } },
    ],
    ['stream_options', 'body.stream_options: Extra inputs are not permitted', {}],
    ['schema', "Unknown parameter: 'response_format.schema'.", { format: 'json' }],
  ])('is left out in a second try, and then at once: %s', async (name, said, request) => {
    server.answers['/v1/chat/completions'] = taken(name, said);
    await serveOpenAi();
    for (let n = 0; n < 3; n++) expect(await chat(request)).toMatchObject({ state: 'completed' });
    expect(server.generations).toHaveLength(4);
    expect(client.states.map(({ attempt }) => attempt)).not.toContain(2);
    if (name === 'max_tokens') {
      expect(server.generations.at(-1)?.body).toMatchObject({ max_completion_tokens: 9 });
    }
    await chat({ ...request, model: 'n' });
    expect(server.generations).toHaveLength(6);
  });

  it('is added where it is missed: the thinking of turns with tool calls', async () => {
    server.answers['/v1/chat/completions'] = (asked) =>
      asked.raw.includes('"reasoning_content":"hm"')
        ? YES(asked)
        : refuse(400, 'reasoning_content is missing in assistant tool call message')(asked);
    await serveOpenAi();
    const messages = [
      ...MESSAGES,
      {
        role: 'assistant',
        content: '',
        thinking: 'hm',
        tool_calls: [{ id: 'a', function: { name: 'f', arguments: {} } }],
      },
      { role: 'tool', content: '7', tool_call_id: 'a' },
    ];
    for (let n = 0; n < 2; n++)
      expect(await chat({ messages })).toMatchObject({ state: 'completed' });
    expect(server.generations).toHaveLength(3);
  });

  it('is told where nothing helps', async () => {
    server.answers['/v1/chat/completions'] = refuse(400, 'stream_options: no. max_tokens: no.');
    await serveOpenAi();
    expect(await chat()).toMatchObject({
      code: 'upstream_rejected',
      detail: expect.stringContaining('stream_options: no.'),
    });
    expect(server.generations.length).toBeLessThanOrEqual(4);
  });
});

describe('a server that is loading the model', () => {
  const LOADING = refuse(503, 'Loading model');

  beforeEach(() => {
    server.answers = { '/v1/models': models({ data: [{ id: 'm' }] }) };
  });

  it('is waited for as starting', async () => {
    server.answers['/v1/chat/completions'] = [LOADING, LOADING, LOADING, YES];
    await serveOpenAi();
    expect(await chat()).toMatchObject({ state: 'completed' });
    expect(server.generations).toHaveLength(4);
    const states = client.states.map(({ state, attempt }) => `${state} ${attempt ?? ''}`.trim());
    // That it is starting at all was said in the ack.
    expect(states).toEqual(['streaming', 'completed']);
    expect(await ready()).toMatchObject({ upstreams: [{ circuit: 'closed' }] });
  });

  it('is given up when FIRST_BYTE_TIMEOUT_MS is over', async () => {
    server.answers['/v1/chat/completions'] = LOADING;
    await serveOpenAi({ FIRST_BYTE_TIMEOUT_MS: 400 });
    expect(await chat()).toMatchObject({ code: 'upstream_loading', retryable: true });
  });

  it('is left in peace after a cancel', async () => {
    server.answers['/v1/chat/completions'] = LOADING;
    await serveOpenAi();
    const generationId = await ask();
    await until(() => server.generations.length > 0);
    await client.ask('cancel', { generationId });
    expect(await client.ended(generationId)).toMatchObject({ state: 'cancelled' });
    const asked = server.generations.length;
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect(server.generations).toHaveLength(asked);
  });

  it('is passed over where another server can answer', async () => {
    const other = new AnyServer();
    try {
      other.answers = {
        '/api/tags': models({ models: [{ name: 'm' }] }),
        '/api/chat': ({ response }) =>
          void response.writeHead(200, JSON_TYPE).end('{"message":{"content":"b"},"done":true}'),
      };
      server.answers = {
        '/api/tags': models({ models: [{ name: 'm' }] }),
        '/api/ps': models({ models: [{ name: 'm' }] }),
        '/api/chat': json(503, { error: 'Loading model' }),
      };
      await serveOllama({ OLLAMA_BASE_URL: [url, await other.start()].join() });
      expect(await chat({ model: 'm' })).toMatchObject({ state: 'completed' });
      expect([server.generations.length, other.generations.length]).toEqual([1, 1]);
    } finally {
      await other.close();
    }
  });
});

describe('a cancel before the first token', () => {
  it('holds the slot back as long as llama.cpp says that it is busy', async () => {
    let isBusy = true;
    server.answers = {
      '/v1/models': models({ data: [{ id: 'm' }] }),
      '/slots': (asked) => json(200, [{ id: 0, is_processing: isBusy }])(asked),
      // The first one is read for long, the next is answered.
      '/v1/chat/completions': [() => undefined, YES],
    };
    await serveOpenAi({ MAX_CONCURRENT: 1 });
    const first = await ask();
    await until(() => server.generations.length === 1);
    const second = await ask();
    await client.ask('cancel', { generationId: first });
    expect(await client.ended(first)).toMatchObject({ state: 'cancelled' });
    await until(() => server.paths.filter((path) => path === '/slots?model=m').length >= 3);
    expect(server.generations).toHaveLength(1);
    const last = client.states.findLast(({ generationId }) => generationId === second);
    expect(last ?? { state: 'queued', position: 1 }).toMatchObject({
      state: 'queued',
      position: 1,
    });
    expect((await call('GET', `${app.url}/llm/queue`)).body).toMatchObject({
      waiting: 1,
      upstreams: [{ running: 1 }],
    });
    isBusy = false;
    expect(await client.ended(second)).toMatchObject({ state: 'completed' });
  });

  it.each([
    ['does not tell', json(404, { error: 'File Not Found' })],
    ['has another slot free', json(200, [{ is_processing: true }, { is_processing: false }])],
    ['says something else', json(200, { slots: 1 })],
  ])('frees the slot at once where the server %s', async (_what, slots) => {
    server.answers = {
      '/v1/models': models({ data: [{ id: 'm' }] }),
      '/slots': slots,
      '/v1/chat/completions': [() => undefined, YES],
    };
    await serveOpenAi({ MAX_CONCURRENT: 1 });
    const first = await ask();
    await until(() => server.generations.length === 1);
    const second = await ask();
    await client.ask('cancel', { generationId: first });
    expect(await client.ended(second)).toMatchObject({ state: 'completed' });
  });

  it('holds the slot back for as long as Ollama usually reads one batch', async () => {
    const read = { prompt_eval_count: 256, prompt_eval_duration: 256 * 2_000_000 };
    const last = { message: { content: 'yes' }, done: true, done_reason: 'stop', ...read };
    const say = json(200, last);
    server.answers = {
      '/api/tags': models({ models: [{ name: 'llama3.2' }] }),
      '/api/chat': [say, () => undefined, say],
    };
    await serveOllama();
    await chat();
    const first = await ask();
    await until(() => server.generations.length === 2);
    const second = await ask();
    // The slot is free later than this, however busy the machine is.
    const cancelledAt = performance.now();
    await client.ask('cancel', { generationId: first });
    expect(await client.ended(second)).toMatchObject({ state: 'completed' });
    // 512 tokens of 2 ms each; a timer may fire a little early.
    expect(performance.now() - cancelledAt).toBeGreaterThan(1_000);
    expect(server.paths).not.toContain('/slots');
  });
});

describe('settings of an upstream', () => {
  it('send a key, more headers and more fields to where they belong, and nowhere else', async () => {
    const other = new AnyServer();
    try {
      other.answers = {
        '/v1/models': models({ data: [{ id: 'm' }] }),
        '/v1/chat/completions': YES,
      };
      server.answers = {
        '/api/tags': models({ models: [{ name: 'llama3.2' }] }),
        '/api/chat': json(200, { message: { content: 'yes' }, done: true }),
      };
      await serveOllama({
        OLLAMA_API_KEY: 'ollama-key',
        OLLAMA_HEADERS: '{"X-Team":"a"}',
        OPENAI_BASE_URL: await other.start(),
        OPENAI_HEADERS: '{"X-Title":"b","Authorization":"Basic eA=="}',
        OPENAI_BODY: '{"service_tier":"flex","temperature":1}',
      });
      await chat();
      await chat({ model: 'm', options: { temperature: 0 } });
      expect(server.generations[0]).toMatchObject({
        headers: { authorization: 'Bearer ollama-key', 'x-team': 'a' },
        body: { truncate: false, shift: false },
      });
      expect(server.generations[0]?.headers).not.toHaveProperty('x-title');
      expect(other.generations[0]).toMatchObject({
        headers: { authorization: 'Basic eA==', 'x-title': 'b' },
        body: { service_tier: 'flex', temperature: 0 },
      });
      expect(other.generations[0]?.headers).not.toHaveProperty('x-team');
    } finally {
      await other.close();
    }
  });

  it('let thinking stand inside the text', async () => {
    server.answers = {
      '/v1/models': models({ data: [{ id: 'm' }] }),
      '/v1/chat/completions': answer({ content: '<think>hm</think>' }, { content: 'yes' }),
    };
    await serveOpenAi({ THINK_TAGS: 'false' });
    const id = await ask();
    await client.ended(id);
    expect(client.text(id)).toBe('<think>hm</think>yes');
  });
});

describe('what a model writes', () => {
  beforeEach(() => {
    server.answers = { '/v1/models': models({ data: [{ id: 'm' }] }) };
  });

  it('as thinking inside its text is thinking', async () => {
    const pieces = ['<th', 'ink>let me', ' see</thi', 'nk>\n\nThe ', 'answer'];
    server.answers['/v1/chat/completions'] = answer(...pieces.map((content) => ({ content })));
    await serveOpenAi();
    const id = await ask();
    expect(await client.ended(id)).toMatchObject({ state: 'completed' });
    expect(client.text(id)).toBe('The answer');
    const { body } = await call('GET', `${app.url}/llm/generations/${id}`);
    expect(body).toMatchObject({ text: 'The answer', thinking: 'let me see' });
  });

  it('as numbers keeps its digits, there and back', async () => {
    const given = '{"id":12345678901234567890}';
    const made = { id: 'a', index: 0, function: { name: 'f', arguments: given } };
    server.answers['/v1/chat/completions'] = [answer({ tool_calls: [made] }), YES];
    await serveOpenAi();
    const id = await ask();
    await client.ended(id);
    const [record] = client.of(id) as unknown as { message: { tool_calls: object[] } }[];
    const { tool_calls } = record!.message;
    expect(tool_calls).toMatchObject([{ function: { arguments: { id: '12345678901234567890' } } }]);
    await chat({ messages: [...MESSAGES, { role: 'assistant', content: '', tool_calls }] });
    expect(server.generations[1]?.raw).toContain('12345678901234567890');
  });

  const earlier = (id: string): string =>
    `{"messages":[{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"id":${id}}}}]}],"onDisconnect":"keep"}`;

  it('as numbers keeps its digits also where a caller sends them as numbers', async () => {
    server.answers['/v1/chat/completions'] = YES;
    server.answers['/api/tags'] = models({ models: [{ name: 'o' }] });
    server.answers['/api/chat'] = json(200, { message: { content: 'yes' }, done: true });
    await serveOpenAi({ OLLAMA_BASE_URL: url });
    for (const model of ['m', 'o']) {
      const body = earlier('12345678901234567890').replace('{', `{"model":"${model}",`);
      const headers = { 'content-type': 'application/json' };
      const { status } = await fetch(`${app.url}/llm/chat`, { method: 'POST', headers, body });
      expect(status).toBe(201);
    }
    await until(() => server.generations.length === 2);
    const [openAi, ollama] = ['/v1/chat/completions', '/api/chat'].map(
      (path) => server.generations.find((asked) => asked.path === path)?.raw,
    );
    expect(openAi).toContain(JSON.stringify('{"id":12345678901234567890}'));
    expect(ollama).toContain('{"id":12345678901234567890}');
  });

  it('is refused where its digits may be gone already, as Socket.IO reads numbers', async () => {
    await serveOpenAi();
    const request = JSON.parse(earlier('12345678901234567890')) as object;
    expect(await client.ask('chat', request)).toMatchObject({
      ok: false,
      error: {
        code: 'invalid_request',
        details: [{ path: 'messages.0.tool_calls.0.function.arguments' }],
      },
    });
  });

  it.each([
    { code: 1305, message: 'overloaded' },
    { object: 'error', message: 'overloaded', code: 500 },
    { error_code: 7, error_msg: 'overloaded' },
    { choices: null, base_resp: { status_code: 1000, status_msg: 'overloaded' } },
  ])('is no empty answer where it failed in a form of its own: %j', async (frame) => {
    server.answers['/v1/chat/completions'] = ({ response }) =>
      void response.writeHead(200, SSE).end(`data: ${JSON.stringify(frame)}\n\ndata: [DONE]\n\n`);
    await serveOpenAi();
    expect(await chat()).toMatchObject({ state: 'failed', code: 'upstream_error' });
  });
});
