import { request } from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type * as Loading from '../src/config/load.js';
import type * as Serving from '../src/server.js';
import { startApp } from './support/app.js';
import { AS_BROWSER } from './support/as-browser.js';
import { freePort } from './support/free-port.js';
import type * as Demo from './support/here.js';
import { call } from './support/rest.js';

describe('the page that the server serves', () => {
  let app: Serving.RunningServer;

  beforeAll(async () => {
    app = await startApp({ OLLAMA_MODEL: 'qwen3:8b', ALLOWED_MODELS: 'gemma3' });
  });
  afterAll(() => app?.close());

  /** With these settings, for one case. */
  async function during(
    env: Record<string, string | number>,
    visit: (url: string) => Promise<void>,
  ): Promise<void> {
    const other = await startApp(env);
    try {
      await visit(other.url);
    } finally {
      await other.close();
    }
  }

  /** The page's policy as a map, for somebody who asks by this name. */
  async function policy(url: string, headers: Record<string, string> = {}) {
    const given = await new Promise<string>((resolve, reject) => {
      request(url, { headers: { ...AS_BROWSER.headers, ...headers }, agent: false }, (answer) => {
        resolve(String(answer.headers['content-security-policy']));
        answer.resume();
      })
        .on('error', reject)
        .end();
    });
    return Object.fromEntries(
      given.split(';').map((directive) => {
        const [name = '', ...sources] = directive.trim().split(' ');
        return [name, sources];
      }),
    );
  }

  it.each(['/', '/doctor'])(
    'is an HTML page at %s that is asked for anew each time',
    async (path) => {
      const answer = await fetch(app.url + path, AS_BROWSER);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-type')).toMatch(/^text\/html/);
      expect(answer.headers.get('cache-control')).toBe('no-cache');
      expect(await answer.text()).toContain('<div id="app">');
    },
  );

  it('has scripts and styles that are kept for a year, because their names change', async () => {
    const html = await (await fetch(app.url, AS_BROWSER)).text();
    const files = [...html.matchAll(/(?:src|href)="\.(\/assets\/[^"]+)"/g)].map(([, path]) => path);
    expect(files.length).toBeGreaterThanOrEqual(2);
    for (const path of files) {
      const answer = await fetch(app.url + path);
      expect(answer.headers.get('content-type')).toMatch(/^text\/(javascript|css); charset=utf-8$/);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    }
  });

  it('has an icon that is kept for a day, and is served under no name without its policy', async () => {
    const icon = await fetch(`${app.url}/icon.svg`);
    expect(icon.headers.get('content-type')).toMatch(/^image\/svg/);
    expect(icon.headers.get('cache-control')).toBe('public, max-age=86400');
    for (const path of ['/index.html', '/assets/', '/assets/../index.html']) {
      expect((await fetch(app.url + path)).status).toBe(404);
    }
  });

  /** A file as it comes over the wire: `fetch` would decode it. */
  async function raw(url: string, accept?: string, more: Record<string, string> = {}) {
    const encoding = accept === undefined ? {} : { 'accept-encoding': accept };
    const headers = { ...AS_BROWSER.headers, ...encoding, ...more };
    return new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: Buffer }>(
      (resolve, reject) => {
        request(url, { headers, agent: false }, (answer) => {
          const pieces: Buffer[] = [];
          answer.on('data', (piece: Buffer) => pieces.push(piece));
          answer.on('end', () =>
            resolve({
              status: answer.statusCode ?? 0,
              headers: answer.headers,
              body: Buffer.concat(pieces),
            }),
          );
        })
          .on('error', reject)
          .end();
      },
    );
  }

  it('comes compressed as the caller takes it, each form under its own ETag', async () => {
    const html = await (await fetch(app.url, AS_BROWSER)).text();
    const paths = [...html.matchAll(/(?:src|href)="\.(\/[^"]+)"/g)]
      .map(([, path = '']) => path)
      // A picture is compressed already.
      .filter((path) => !path.endsWith('.png'));
    for (const path of ['/', '/doctor', ...paths]) {
      const url = app.url + path;
      const [plain, gzip, brotli] = [await raw(url), await raw(url, 'gzip'), await raw(url, 'br')];
      expect(plain.headers['content-encoding']).toBeUndefined();
      expect(gzip.headers['content-encoding']).toBe('gzip');
      expect(brotli.headers['content-encoding']).toBe('br');
      expect(gunzipSync(gzip.body)).toEqual(plain.body);
      expect(brotliDecompressSync(brotli.body)).toEqual(plain.body);
      expect(brotli.body.length).toBeLessThan(plain.body.length);
      const forms = [plain, gzip, brotli];
      expect(new Set(forms.map(({ headers }) => headers['etag'])).size).toBe(3);
      for (const { headers } of forms) {
        expect(headers['vary']).toMatch(/accept-encoding/i);
        expect(headers['content-type']).toBe(plain.headers['content-type']);
        expect(headers['cache-control']).toBe(plain.headers['cache-control']);
      }
      const again = await raw(url, 'br', { 'if-none-match': String(brotli.headers['etag']) });
      expect([again.status, again.body.length]).toEqual([304, 0]);
      const other = await raw(url, 'gzip', { 'if-none-match': String(brotli.headers['etag']) });
      expect(other.status).toBe(200);
    }
  });

  it.each([
    ['gzip, deflate, br, zstd', 'br'],
    ['gzip;q=1.0, br;q=0.5', 'gzip'],
    ['br;q=0, gzip;q=0.1', 'gzip'],
    ['*', 'br'],
    ['*;q=0', undefined],
    ['br;q=0, gzip;q=0', undefined],
    ['identity', undefined],
    ['zstd', undefined],
    ['GZIP', 'gzip'],
    ['br ; q=0 , gzip', 'gzip'],
    ['q=;;,', undefined],
  ])('for Accept-Encoding %j comes as %p', async (accept, coding) => {
    const { status, headers } = await raw(app.url, accept);
    expect([status, headers['content-encoding']]).toEqual([200, coding]);
  });

  it('may run no foreign script, no inline style, send no form, and connect to us only', async () => {
    const { origin, port } = new URL(app.socketUrl);
    expect(await policy(app.url)).toEqual({
      'default-src': ["'self'"],
      'script-src': ["'self'"],
      'style-src': ["'self'"],
      'img-src': ["'self'", 'data:'],
      'connect-src': ["'self'", origin, `ws://127.0.0.1:${port}`],
      'object-src': ["'none'"],
      'base-uri': ["'none'"],
      'form-action': ["'none'"],
      'frame-ancestors': ["'none'"],
    });
    const { 'connect-src': byName } = await policy(app.url, { host: 'localhost:3000' });
    expect(byName).toEqual(["'self'", `http://localhost:${port}`, `ws://localhost:${port}`]);
    // An address in brackets would be ignored by browsers.
    const { 'connect-src': byAddress } = await policy(app.url, { host: '[::1]:3000' });
    expect(byAddress).toEqual(["'self'", `http://*:${port}`, `ws://*:${port}`]);
  });

  it('is told where the socket is: on its own host', async () => {
    const { body } = await call('GET', `${app.url}/page.json`);
    expect(body).toEqual({
      socketUrl: null,
      socketPort: Number(new URL(app.socketUrl).port),
      socketTransports: ['polling', 'websocket'],
      model: 'qwen3:8b',
      isModelHidden: true,
      allowPull: false,
      maxRequestBytes: 20_971_520,
      demo: null,
    });
  });

  it('is told where the socket is: where it is itself, on a shared port', async () => {
    const port = await freePort();
    await during({ PORT: port, SOCKET_PORT: port }, async (url) => {
      expect((await call('GET', `${url}/page.json`)).body.socketUrl).toBe('./');
      const host = `localhost:${port}`;
      const { 'connect-src': sources } = await policy(url, { host });
      expect(sources).toEqual(["'self'", `http://${host}`, `ws://${host}`]);
    });
  });

  it('is told where the socket is: behind a proxy that ends TLS', async () => {
    const port = await freePort();
    await during({ PORT: port, SOCKET_PORT: port, TRUST_PROXY: 'loopback' }, async (url) => {
      const proxied = { host: 'localhost', 'x-forwarded-proto': 'https' };
      const { 'connect-src': sources } = await policy(url, proxied);
      expect(sources).toEqual(["'self'", 'https://localhost', 'wss://localhost']);
    });
  });

  it('is told where the socket is: where the operator says', async () => {
    const socketUrl = 'https://socket.example.com';
    await during({ PUBLIC_SOCKET_URL: socketUrl, ALLOW_PULL: 'true' }, async (url) => {
      const { body } = await call('GET', `${url}/page.json`);
      expect(body).toMatchObject({ socketUrl, allowPull: true });
      const { 'connect-src': sources } = await policy(url);
      expect(sources).toEqual(["'self'", socketUrl, 'wss://socket.example.com']);
    });
  });

  it('is told where the socket is: below BASE_PATH, where the operator says', async () => {
    const socketUrl = 'https://socket.example.com/';
    await during({ PUBLIC_SOCKET_URL: socketUrl, BASE_PATH: '/chat/' }, async (url) => {
      const { body } = await call('GET', `${url}/chat/page.json`);
      expect(body.socketUrl).toBe('https://socket.example.com/chat');
      const { 'connect-src': sources } = await policy(`${url}/chat/`);
      expect(sources).toContain('wss://socket.example.com');
    });
  });

  it('names the model of the OpenAI-compatible server where there is no Ollama', async () => {
    const OPENAI_BASE_URL = 'http://127.0.0.1:1';
    const env = { OLLAMA_BASE_URL: ',', OPENAI_BASE_URL, OPENAI_MODEL: 'gpt-x' };
    await during(env, async (url) => {
      expect((await call('GET', `${url}/page.json`)).body.model).toBe('gpt-x');
    });
  });

  it('is given its questions, its routes and its socket by the demo', async () => {
    const { startServer } = await importOnce<typeof Serving>('src/server.ts');
    const { loadConfig } = await importOnce<typeof Loading>('src/config/load.ts');
    const { Here } = await importOnce<typeof Demo>('test/support/here.ts');
    const demo = await startServer(
      loadConfig({ PORT: '0', SOCKET_PORT: '0', LOG_LEVEL: 'fatal' }),
      { questions: ['Why?'], longQuestion: 'All?', socketPort: 4711, module: { module: Here } },
    );
    try {
      const { body } = await call('GET', `${demo.url}/page.json`);
      expect(body).toMatchObject({
        socketUrl: null,
        socketPort: 4711,
        demo: { questions: ['Why?'], longQuestion: 'All?' },
      });
      expect((await policy(demo.url))['connect-src']).toContain('http://127.0.0.1:4711');
      expect((await call('GET', `${demo.url}/demo/here`)).body).toEqual({ yes: true });
    } finally {
      await demo.close();
    }
  });

  it('has no demo routes elsewhere, and nothing at other addresses', async () => {
    for (const path of ['/demo/here', '/nothing', '/assets/nothing.js']) {
      expect(await call('GET', app.url + path)).toMatchObject({
        status: 404,
        body: { code: 'not_found' },
      });
    }
  });

  it.each(['chat.example.com', 'https://chat.example.com/path', 'ftp://chat.example.com'])(
    'does not start with %s as PUBLIC_SOCKET_URL',
    async (url) => {
      const { loadConfig } = await importOnce<typeof Loading>('src/config/load.ts');
      expect(() => loadConfig({ PUBLIC_SOCKET_URL: url })).toThrow(
        'PUBLIC_SOCKET_URL must be an origin such as https://chat.example.com.',
      );
    },
  );
});
