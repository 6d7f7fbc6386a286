import type { RunningServer } from '../src/server.js';
import { NOBODY, startApp } from './support/app.js';
import { AS_BROWSER } from './support/as-browser.js';
import { Program } from './support/program.js';
import { call } from './support/rest.js';

describe('the built server, with all packages in it', () => {
  let app: RunningServer;
  let program: Program;
  let url: string;

  beforeAll(async () => {
    app = await startApp();
    program = Program.server({ OLLAMA_BASE_URL: NOBODY });
    ({ url } = await program.listening());
  });

  afterAll(async () => {
    await program?.kill();
    await app?.close();
  });

  it('describes itself as the server from source does, in whatever order', async () => {
    const [built, source] = [
      await call('GET', `${url}/docs-json`),
      await call('GET', `${app.url}/docs-json`),
    ];
    expect(built.body).toEqual(source.body);
  });

  it.each(['/docs/', '/docs/swagger-ui.css', '/'])(
    'serves %s as the server from source does',
    async (path) => {
      const [built, source] = await Promise.all([
        fetch(url + path, AS_BROWSER),
        fetch(app.url + path, AS_BROWSER),
      ]);
      expect(built.status).toBe(200);
      expect(await built.text()).toBe(await source.text());
    },
  );

  it.each([
    ['what is not there', 'GET', '/nothing', undefined],
    ['what is not well-formed', 'POST', '/llm/generate', { clientId: 3 }],
    ['a client that it does not know', 'POST', '/llm/generate', { clientId: 'x', prompt: 'Hi' }],
  ])('refuses %s in the same words', async (_what, method, path, body) => {
    const [built, source] = await Promise.all([
      call(method, url + path, body),
      call(method, app.url + path, body),
    ]);
    expect(built.status).toBeGreaterThanOrEqual(400);
    expect(built.status).toBe(source.status);
    expect(built.body).toEqual({ ...source.body, requestId: expect.any(String) });
  });
});
