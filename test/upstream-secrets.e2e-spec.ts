import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { jest } from '@jest/globals';
import type { TerminalRecord } from '../src/protocol/terminal-record.js';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { call } from './support/rest.js';

const KEY = 'sk-abcdef0123456789';
const TOKEN = 'browser-token-77';
const ADDRESS = '10.11.12.13';
const PATH = '/usr/share/models';
const SAID = `Incorrect API key provided: ${KEY} at http://${ADDRESS}:8000${PATH}`;
const MESSAGES = [{ role: 'user', content: 'hi' }];
const SSE = { 'content-type': 'text/event-stream' };
const ANSWER =
  'data: {"choices":[{"delta":{"content":"yes"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';

/** A server that keeps every request and answers as `answer` says. */
class Upstream {
  readonly requests: Pick<IncomingMessage, 'method' | 'url' | 'headers'>[] = [];
  answer: (response: ServerResponse) => void = (response) => response.writeHead(404).end();
  private readonly server: Server = createServer((request, response) => {
    this.requests.push(request);
    request.resume().once('end', () => {
      if (request.method === 'POST') this.answer(response);
      else this.list(response);
    });
  });

  /** @param list answers what is asked besides, such as the list of models */
  constructor(private readonly list: (response: ServerResponse) => void) {}

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

const json = (body: unknown) => (response: ServerResponse) =>
  void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));

describe('what passes between llm-cast, its upstreams and its clients', () => {
  let ollama: Upstream;
  let openAi: Upstream;
  /** Where an upstream would send llm-cast, or its key. */
  let elsewhere: Upstream;
  let elsewhereUrl: string;
  let openAiUrl: string;
  let app: RunningServer;
  let client: Client;
  let written = '';

  beforeAll(async () => {
    for (const stream of [process.stdout, process.stderr]) {
      jest.spyOn(stream, 'write').mockImplementation((bytes: string | Uint8Array) => {
        written += String(bytes);
        return true;
      });
    }
    ollama = new Upstream(json({ models: [{ name: 'llama3.2' }] }));
    openAi = new Upstream(json({ data: [{ id: 'gpt-demo' }] }));
    elsewhere = new Upstream(json({}));
    elsewhereUrl = await elsewhere.start();
    openAiUrl = await openAi.start();
    app = await startApp({
      OLLAMA_BASE_URL: await ollama.start(),
      OPENAI_BASE_URL: openAiUrl,
      OPENAI_API_KEY: KEY,
      LOG_LEVEL: 'verbose',
    });
    const extraHeaders = { authorization: TOKEN, cookie: TOKEN, 'x-api-key': TOKEN };
    client = await Client.connect(app.socketUrl, { extraHeaders });
  });
  afterAll(async () => {
    client?.close();
    await app?.close();
    await Promise.all([ollama, openAi, elsewhere].map((upstream) => upstream?.close()));
    jest.restoreAllMocks();
  });
  beforeEach(() => {
    written = '';
    client.log.length = 0;
    openAi.requests.length = 0;
  });

  const run = async (
    model: string,
    over: 'rest' | 'socket' = 'socket',
  ): Promise<TerminalRecord> => {
    if (over === 'socket') {
      const ack = await client.accepted('chat', { model, messages: MESSAGES });
      return client.ended(ack.generationId);
    }
    const { body } = await call(
      'POST',
      `${app.url}/llm/chat`,
      { clientId: client.id, model, messages: MESSAGES },
      {
        origin: 'http://localhost:5173',
        referer: 'http://localhost:5173/page',
        authorization: `Bearer ${TOKEN}`,
        cookie: `session=${TOKEN}`,
        'x-api-key': TOKEN,
        'x-forwarded-for': '203.0.113.9',
      },
    );
    return client.ended((body as { generationId: string }).generationId);
  };
  const posts = (upstream: Upstream) => upstream.requests.filter(({ method }) => method === 'POST');
  const expectSecret = (...where: unknown[]): void => {
    const text = JSON.stringify(where);
    expect([KEY, TOKEN, ADDRESS, PATH].filter((secret) => text.includes(secret))).toEqual([]);
  };

  it.each(['rest', 'socket'] as const)(
    'an upstream gets our headers and none of the client, asked over %s',
    async (over) => {
      openAi.answer = (response) => response.writeHead(200, SSE).end(ANSWER);
      expect(await run('gpt-demo', over)).toMatchObject({ state: 'completed' });
      const [request] = posts(openAi);
      expect(request).toMatchObject({ method: 'POST', url: '/v1/chat/completions' });
      expect(request!.headers).toEqual({
        accept: 'text/event-stream, application/json',
        'accept-encoding': 'identity',
        authorization: `Bearer ${KEY}`,
        connection: expect.any(String),
        'content-length': expect.any(String),
        'content-type': 'application/json',
        host: new URL(openAiUrl).host,
        'user-agent': expect.stringMatching(/^llm-cast/),
      });
    },
  );

  it('the key goes to its own upstream with each request, and to no other', async () => {
    ollama.answer = json({ message: { role: 'assistant', content: 'x' }, done: true });
    openAi.answer = (response) => response.writeHead(200, SSE).end(ANSWER);
    for (const model of ['llama3.2', 'gpt-demo']) await run(model);
    await call('GET', `${app.url}/llm/models`);
    await call('GET', `${app.url}/llm/version`);
    expect(posts(ollama).length).toBeGreaterThan(0);
    for (const { headers } of ollama.requests) expectSecret(headers);
    expect(openAi.requests.map(({ url }) => url)).toContain('/v1/models');
    for (const { headers } of openAi.requests) expect(headers.authorization).toBe(`Bearer ${KEY}`);
  });

  it.each([301, 302, 303, 307, 308])(
    'a redirect is not followed, and its address goes nowhere: %d',
    async (status) => {
      openAi.answer = (response) =>
        response.writeHead(status, { location: `${elsewhereUrl}/v1/chat/completions` }).end(SAID);
      expect(await run('gpt-demo')).toMatchObject({ state: 'failed', retryable: false });
      expect(posts(openAi)).toHaveLength(1);
      expect(elsewhere.requests).toEqual([]);
      expect(JSON.stringify(client.log)).not.toContain(elsewhereUrl);
      expectSecret(client.log);
    },
  );

  it('a redirect of the list of models is not followed either', async () => {
    const away = new Upstream((response) =>
      response.writeHead(307, { location: `${elsewhereUrl}/v1/models` }).end(),
    );
    const other = await startApp({
      OLLAMA_BASE_URL: '',
      OPENAI_BASE_URL: await away.start(),
      OPENAI_API_KEY: KEY,
      OPENAI_MODEL: 'm',
      // The log level is the process's.
      LOG_LEVEL: 'verbose',
    });
    const { status } = await call('GET', `${other.url}/llm/models`);
    await other.close();
    await away.close();
    expect(status).toBeGreaterThanOrEqual(500);
    expect(elsewhere.requests).toEqual([]);
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['text', (response) => response.end(gzipSync(ANSWER))],
    ['nothing', (response) => response.end()],
  ])('a compressed answer is bad_content_type, and nothing of it is told: %s', async (_, end) => {
    openAi.answer = (response) => {
      response.writeHead(200, { ...SSE, 'content-encoding': 'gzip' });
      end(response);
    };
    expect(await run('gpt-demo')).toMatchObject({
      seq: 1,
      code: 'bad_content_type',
      retryable: false,
    });
  });

  const frame = `data: ${JSON.stringify({ error: { message: SAID, code: 401 } })}\n\n`;
  it.each<[string, (response: ServerResponse) => void]>([
    ['a refusal', (response) => response.writeHead(401).end(JSON.stringify({ error: SAID }))],
    ['a page', (response) => response.writeHead(400).end(`<html>${SAID}</html>`)],
    ['a frame', (response) => response.writeHead(200, SSE).end(frame)],
    ['the old field', (response) => response.writeHead(200, SSE).end(`error: ${SAID}\n\n`)],
    ['what is no JSON', (response) => response.writeHead(200, SSE).end(`data: ${SAID}\n\n`)],
    ['a header', (response) => response.writeHead(403, { 'x-why': SAID }).end()],
    ['a content type', (response) => response.writeHead(200, { 'content-type': SAID }).end()],
  ])("an upstream's words stay out of records, views and logs: %s", async (_what, answer) => {
    openAi.answer = answer;
    const terminal = await run('gpt-demo');
    expect(terminal.state).toBe('failed');
    const { generationId } = terminal;
    const { body } = await call('GET', `${app.url}/llm/generations/${generationId}`);
    expect(body).toMatchObject({ state: 'failed' });
    expectSecret(client.log, body);
    expect(written).toContain(generationId);
    expect(written).not.toContain(KEY);
    expect(written).not.toContain(TOKEN);
  });
});
