import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type * as Demo from '../../src/demo/start.js';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { AS_BROWSER } from '../support/as-browser.js';
import { Client } from '../support/client.js';
import { freePort } from '../support/free-port.js';
import { OpenAiUpstream } from '../support/openai-upstream.js';
import { Oracle, type OracleReader } from '../support/oracle.js';
import { Program } from '../support/program.js';
import { ResumingClient } from '../support/resuming-client.js';
import { call } from '../support/rest.js';
import { until } from '../support/until.js';

let startDemo: typeof Demo.startDemo;
beforeAll(async () => {
  ({ startDemo } = await importOnce<typeof Demo>('src/demo/start.ts'));
});

/** Its answer takes longer than a fault does. */
const LONG_QUESTION = 'How is its speed measured?';

describe('the built demo', () => {
  let demo: Program;
  let url: string;
  let socketUrl: string;

  beforeAll(async () => {
    demo = Program.run('demo.js', [], { env: { PORT: 0, SOCKET_PORT: 0 } });
    [, url = ''] = await demo.said(/REST +(http:\S+)\/llm\/generate/);
    [, socketUrl = ''] = await demo.said(/Socket\.IO +(http:\S+)\/events/);
  });
  afterAll(() => demo?.kill());

  it('says where to look before anything else', () => {
    expect(demo.stdout.trim().split('\n')[0]).toBe(`Open http://localhost:${new URL(url).port}`);
  });

  it('serves the page, and tells it where the proxy is and what to ask', async () => {
    const page = await fetch(url, AS_BROWSER);
    expect([page.status, page.headers.get('content-type')]).toEqual([
      200,
      expect.stringContaining('text/html'),
    ]);
    const { body } = await call('GET', `${url}/page.json`);
    expect(body).toMatchObject({
      socketUrl: null,
      socketPort: Number(new URL(socketUrl).port),
      model: 'demo',
      allowPull: true,
    });
    expect(body.demo.questions).toHaveLength(3);
  });

  it('answers a question from the documents, token by token', async () => {
    const client = await Client.connect(socketUrl);
    const messages = [{ role: 'user', content: 'How do I cancel a generation?' }];
    const { body } = await call('POST', `${url}/llm/chat`, { clientId: client.id, messages });
    const { generationId } = body;
    const end = await client.ended(generationId);
    expect(client.text(generationId)).toMatch(/^From `docs\/protocol\.md`, \*\*.* › Cancel\*\*:/);
    expect(client.of(generationId).length).toBeGreaterThan(50);
    if (end.state !== 'completed') throw new Error(end.state);
    expect(end.timings.tokensPerSecond).toBeLessThan(60);
    client.close();
  });

  it('describes its own route', async () => {
    const { body } = await call('GET', `${url}/docs-json`);
    expect(Object.keys(body.paths)).toContain('/demo/faults');
  });

  it('pulls a model, which is there afterwards', async () => {
    const client = await Client.connect(socketUrl);
    const pull = { clientId: client.id, model: 'llama3.2' };
    const { body } = await call('POST', `${url}/llm/models/pull`, pull);
    expect(await client.ended(body.generationId)).toMatchObject({
      state: 'completed',
      finishReason: 'success',
    });
    const { body: list } = await call('GET', `${url}/llm/models`);
    expect(list.models.map(({ name }: { name: string }) => name)).toContain('llama3.2:latest');
    client.close();
  });

  it('ends at SIGTERM with nothing left open', async () => {
    const client = await Client.connect(socketUrl, { reconnection: false });
    demo.child.kill('SIGTERM');
    expect(await demo.exited).toBe(0);
    expect(demo.stderr).toBe('');
    await client.until(() => !client.socket.connected);
    await expect(fetch(socketUrl)).rejects.toThrow('fetch failed');
  });
});

describe('a port that is taken', () => {
  it.each(['PORT', 'SOCKET_PORT'])('is an error that leaves nothing open: %s', async (name) => {
    const taken = await startApp();
    const free = await freePort();
    const ports = {
      PORT: String(free),
      SOCKET_PORT: String(free),
      [name]: new URL(taken.url).port,
    };
    await expect(startDemo({ ...ports, LOG_LEVEL: 'fatal' })).rejects.toThrow('EADDRINUSE');
    await expect(fetch(`http://127.0.0.1:${free}`)).rejects.toThrow('fetch failed');
    await taken.close();
  });
});

describe('the demo in a shell that names an OpenAI-compatible server', () => {
  it('asks nobody but its own model, and names what has no effect there', async () => {
    const server = await OpenAiUpstream.start();
    const warnings: string[] = [];
    const env = {
      PORT: '0',
      SOCKET_PORT: '0',
      LOG_LEVEL: 'fatal',
      OPENAI_BASE_URL: server.url,
      OPENAI_API_KEY: 'sk-of-somebody',
      OPENAI_MODEL: 'gpt-demo',
    };
    const demo = await startDemo(env, (sentence) => warnings.push(sentence));
    try {
      const { body } = await call('GET', `${demo.url}/health/ready`);
      expect(body.upstreams).toEqual([expect.objectContaining({ name: 'ollama' })]);
      expect(warnings.join('\n')).toContain('OPENAI_API_KEY has no effect');
    } finally {
      await demo.close();
      await server.close();
    }
  });
});

describe('the demo in a shell that names a Redis', () => {
  it('is by itself, and names what has no effect there', async () => {
    const asked: Socket[] = [];
    const redis = createServer((socket) => void asked.push(socket)).listen(0, '127.0.0.1');
    await once(redis, 'listening');
    const { port } = redis.address() as AddressInfo;
    const warnings: string[] = [];
    const env = {
      PORT: '0',
      SOCKET_PORT: '0',
      LOG_LEVEL: 'fatal',
      REDIS_URL: `redis://127.0.0.1:${port}`,
      NODE_ID: 'n1',
    };
    const demo = await startDemo(env, (sentence) => warnings.push(sentence));
    try {
      const { status } = await call('GET', `${demo.url}/health/ready`);
      expect([status, asked.length]).toEqual([200, 0]);
      expect(warnings).toEqual(['NODE_ID has no effect without REDIS_URL.']);
    } finally {
      for (const socket of asked) socket.destroy();
      await demo.close();
      redis.close();
    }
  });
});

describe('the faults of the demo', () => {
  let demo: RunningServer;
  let clients: ResumingClient[] = [];

  beforeAll(async () => {
    demo = await startDemo({
      PORT: '0',
      SOCKET_PORT: '0',
      MAX_CONCURRENT: '9',
      LOG_LEVEL: 'fatal',
      DRAIN_MS: '0',
    });
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });
  afterAll(() => demo?.close());

  let asked = 0;
  /** A client in the middle of an answer. */
  const reading = async (transports: string[], prompt: string): Promise<ResumingClient> => {
    const request = { prompt, idempotencyKey: `question ${asked++}` };
    const client = new ResumingClient(demo.socketUrl, new Oracle().reader(), request, {
      transports,
    });
    clients.push(client);
    await until(() => client.reader.last > 5);
    return client;
  };
  const inflict = (fault: string, { socket }: ResumingClient) =>
    call('POST', `${demo.url}/demo/faults`, { fault, clientId: socket.id });
  const textOf = ({ pieces }: OracleReader): string => pieces.map(([, text]) => text).join('');

  /** Reads to the end, and compares with what the server has kept. */
  const expectWhole = async ({ reader, generationId, refusals }: ResumingClient): Promise<void> => {
    await until(() => reader.terminal !== undefined);
    const { body } = await call('GET', `${demo.url}/llm/generations/${generationId}`);
    expect(body).toMatchObject({ state: 'completed', text: textOf(reader), seq: reader.last });
    expect(reader.terminal).toMatchObject({ sha256: body.sha256 });
    expect([...reader.problems, ...refusals]).toEqual([]);
  };

  it.each(['websocket', 'polling', 'polling,websocket'])(
    'cut: the client comes back and has all of the answer (%s)',
    async (transports) => {
      const client = await reading(transports.split(','), 'How do I cancel a generation?');
      const other = await reading(['websocket'], 'How do I cancel a generation?');
      const { status, body } = await inflict('cut', client);
      expect([status, body]).toEqual([200, { ms: 0 }]);
      await until(() => client.connects === 2);
      await Promise.all([expectWhole(client), expectWhole(other)]);
      expect([client.connects, other.connects]).toEqual([2, 1]);
    },
  );

  it('stall: nothing reaches this reader for 10 s, whatever its transport, and others go on', async () => {
    const stalled = [
      await reading(['websocket'], LONG_QUESTION),
      await reading(['polling'], LONG_QUESTION),
    ];
    const other = await reading(['websocket'], LONG_QUESTION);
    for (const client of stalled) {
      expect((await inflict('stall', client)).body).toEqual({ ms: 10_000 });
    }
    // What was on its way.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const at = stalled.map(({ reader }) => reader.last);
    const otherAt = other.reader.last;
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    expect(stalled.map(({ reader }) => reader.last)).toEqual(at);
    expect(other.reader.last).toBeGreaterThan(otherAt + 50);
    await Promise.all([...stalled, other].map(expectWhole));
    expect([...stalled, other].map(({ connects }) => connects)).toEqual([1, 1, 1]);
  });

  it('offline: everybody is cut and refused for 10 s, and then has all of the answer', async () => {
    const some = [
      await reading(['websocket'], LONG_QUESTION),
      await reading(['polling'], LONG_QUESTION),
    ];
    const begun = performance.now();
    expect((await inflict('offline', some[0]!)).body).toEqual({ ms: 10_000 });
    await until(() => some.every(({ socket }) => !socket.connected));
    await until(() => some.some(({ socket }) => socket.connected));
    expect(performance.now() - begun).toBeGreaterThan(9_900);
    await Promise.all(some.map(expectWhole));
    expect(some.map(({ connects }) => connects)).toEqual([2, 2]);
  });

  it.each([
    [{ fault: 'cut', clientId: 'nobody' }, 404, 'client_not_found'],
    [{ fault: 'explode', clientId: 'x' }, 400, 'invalid_request'],
    [{ fault: 'cut' }, 400, 'invalid_request'],
    [{ fault: 'cut', clientId: 'x', ms: 1e9 }, 400, 'invalid_request'],
  ])('%j is refused with %i', async (body, status, code) => {
    const answer = await call('POST', `${demo.url}/demo/faults`, body);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
  });

  it('are refused to a foreign page', async () => {
    const answer = await call(
      'POST',
      `${demo.url}/demo/faults`,
      { fault: 'cut', clientId: 'x' },
      { origin: 'https://evil.example' },
    );
    expect([answer.status, answer.body.code]).toEqual([403, 'forbidden']);
  });

  it('do not exist outside the demo', async () => {
    const app = await startApp();
    const client = await Client.connect(app.socketUrl);
    const body = { fault: 'cut', clientId: client.id };
    const answer = await call('POST', `${app.url}/demo/faults`, body);
    expect([answer.status, answer.body.code]).toEqual([404, 'not_found']);
    expect((await call('GET', `${app.url}/page.json`)).body.demo).toBeNull();
    client.close();
    await app.close();
  });
});
