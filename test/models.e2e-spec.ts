import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { modelList } from '../src/protocol/answers.js';
import type { RunningServer } from '../src/server.js';
import { NOBODY, startApp } from './support/app.js';
import { call } from './support/rest.js';

const TAGS = {
  models: [
    {
      name: 'llama3.2:latest',
      model: 'llama3.2:latest',
      modified_at: '2026-01-02T03:04:05Z',
      size: 2_019_393_189,
      digest: 'a80c4f17acd5',
      details: { family: 'llama', parameter_size: '3.2B', context_length: 131_072 },
      capabilities: ['completion', 'tools'],
    },
    { name: 'phi4:14b', size: 9_053_116_391, details: { context_length: 16_384 } },
    { name: 'bare', size: null, details: null },
  ],
};
const PS = { models: [{ name: 'llama3.2:latest', size_vram: 1, context_length: 8192 }] };

describe('GET /llm/models', () => {
  let upstream: Server;
  let app: RunningServer;
  /** What the upstream answers: status and body, by path. */
  let answers: Record<string, [number, unknown]>;

  beforeAll(async () => {
    upstream = createServer(({ url }, response) => {
      const [status, body] = answers[url ?? ''] ?? [404, 'page not found'];
      response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const { port } = upstream.address() as AddressInfo;
    app = await startApp({ OLLAMA_BASE_URL: `http://127.0.0.1:${port}`, MAX_LINE_BYTES: 4096 });
  });
  afterAll(async () => {
    await app?.close();
    upstream?.closeAllConnections();
    upstream?.close();
  });
  beforeEach(() => {
    answers = { '/api/tags': [200, TAGS], '/api/ps': [200, PS] };
  });

  const models = () => call('GET', `${app.url}/llm/models`);

  it('says of each model what is known; a loaded one has the context it was loaded with', async () => {
    const { status, body } = await models();
    expect(status).toBe(200);
    expect(body).toEqual({
      models: [
        {
          name: 'llama3.2:latest',
          upstream: 'ollama',
          size: 2_019_393_189,
          contextLength: 8192,
          maxContextLength: 131_072,
          capabilities: ['completion', 'tools'],
          loaded: true,
        },
        {
          name: 'phi4:14b',
          upstream: 'ollama',
          size: 9_053_116_391,
          contextLength: null,
          maxContextLength: 16_384,
          capabilities: [],
          loaded: false,
        },
        {
          name: 'bare',
          upstream: 'ollama',
          size: null,
          contextLength: null,
          maxContextLength: null,
          capabilities: [],
          loaded: false,
        },
      ],
    });
    expect(modelList.parse(body)).toEqual(body);
  });

  it('is empty where none is installed', async () => {
    answers['/api/tags'] = [200, { models: [] }];
    expect(await models()).toMatchObject({ status: 200, body: { models: [] } });
  });

  it('lists models also where the upstream does not say what is loaded', async () => {
    answers['/api/ps'] = [404, 'page not found'];
    const { status, body } = await models();
    expect(status).toBe(200);
    const [first] = modelList.parse(body).models;
    expect(first).toMatchObject({
      loaded: false,
      contextLength: null,
      maxContextLength: 131_072,
    });
  });

  it.each<[string, number, unknown, number, string]>([
    ['no JSON', 200, 'SECRET garbage', 502, 'upstream_protocol_error'],
    ['half of it', 200, JSON.stringify(TAGS).slice(0, -9), 502, 'upstream_protocol_error'],
    ['another shape', 200, { models: 'SECRET' }, 502, 'upstream_protocol_error'],
    ['a nameless model', 200, { models: [{ size: 1 }] }, 502, 'upstream_protocol_error'],
    ['too much', 200, { models: [], x: 'SECRET'.repeat(1000) }, 502, 'line_too_long'],
    ['a failure', 500, { error: 'SECRET' }, 502, 'upstream_error'],
    ['that it is busy', 503, { error: 'SECRET' }, 503, 'upstream_busy'],
  ])('names the error where the upstream says %s', async (_what, said, what, status, code) => {
    answers['/api/tags'] = [said, what];
    const answer = await models();
    expect(answer).toMatchObject({ status, body: { statusCode: status, code } });
    expect(JSON.stringify(answer.body)).not.toContain('SECRET');
  });

  it('is upstream_unreachable, 503, without an upstream', async () => {
    const alone = await startApp({ OLLAMA_BASE_URL: NOBODY });
    try {
      expect(await call('GET', `${alone.url}/llm/models`)).toMatchObject({
        status: 503,
        body: { statusCode: 503, code: 'upstream_unreachable', retryable: true },
      });
    } finally {
      await alone.close();
    }
  });
});
