import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Victim } from '../support/victim.js';

describe('300 questions at once', () => {
  let asked: string[];
  let victim: Victim;
  const upstream = createServer((request, response) => {
    asked.push(request.url ?? '');
    const answers: Record<string, object> = {
      '/api/version': { version: '1' },
      '/api/tags': { models: [] },
      '/api/ps': { models: [] },
    };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answers[request.url ?? '']));
  });
  beforeAll(async () => {
    asked = [];
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const { port } = upstream.address() as AddressInfo;
    victim = await Victim.start({ OLLAMA_BASE_URL: `http://127.0.0.1:${port}` });
  });
  afterAll(async () => {
    await victim?.close();
    upstream.closeAllConnections();
    upstream.close();
  });

  it.each([
    ['/llm/version', '/api/version'],
    ['/llm/models', '/api/tags'],
    ['/health/ready', '/api/tags'],
    ['/v1/models', '/api/tags'],
    ['/v1/models/m', '/api/tags'],
    ['/api/tags', '/api/tags'],
    ['/api/ps', '/api/tags'],
    ['/api/version', '/api/version'],
  ])('GET %s are a few of the upstream', async (path, at) => {
    asked.length = 0;
    const from = performance.now();
    const answers = await Promise.all(Array.from({ length: 300 }, () => fetch(victim.url + path)));
    const seconds = Math.ceil((performance.now() - from) / 1000);
    expect(new Set(answers.map(({ status }) => status))).toEqual(
      new Set([path.endsWith('/m') ? 404 : 200]),
    );
    // The version is asked for once a second; the models not again while the last answer is awaited.
    const most = path.endsWith('/version') ? seconds : 100;
    expect(asked.filter((url) => url === at).length).toBeLessThanOrEqual(most);
  });
});
