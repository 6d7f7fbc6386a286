import { request } from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { Controller, Get, Module } from '@nestjs/common';
import { loadConfig } from '../src/config/load.js';
import { type RunningServer, startServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { AS_BROWSER } from './support/as-browser.js';
import { freePort } from './support/free-port.js';
import { call } from './support/rest.js';

@Controller('demo')
class HereController {
  @Get('here')
  here(): object {
    return { yes: true };
  }
}

@Module({ controllers: [HereController] })
class Here {}

describe('the page that the server serves', () => {
  let app: RunningServer | undefined;

  afterEach(async () => {
    await app?.close();
    app = undefined;
  });

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
      app = await startApp();
      const answer = await fetch(app.url + path, AS_BROWSER);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-type')).toMatch(/^text\/html/);
      expect(answer.headers.get('cache-control')).toBe('no-cache');
      expect(await answer.text()).toContain('<div id="app">');
    },
  );

  it('has scripts and styles that are kept for a year, because their names change', async () => {
    app = await startApp();
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
    app = await startApp();
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
    app = await startApp();
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
    app = await startApp();
    const { status, headers } = await raw(app.url, accept);
    expect([status, headers['content-encoding']]).toEqual([200, coding]);
  });

  it('may run no foreign script, no inline style, send no form, and connect to us only', async () => {
    app = await startApp();
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
    app = await startApp({ OLLAMA_MODEL: 'qwen3:8b', ALLOWED_MODELS: 'gemma3' });
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
    app = await startApp({ PORT: port, SOCKET_PORT: port });
    expect((await call('GET', `${app.url}/page.json`)).body.socketUrl).toBe('./');
    const host = `localhost:${port}`;
    const { 'connect-src': sources } = await policy(app.url, { host });
    expect(sources).toEqual(["'self'", `http://${host}`, `ws://${host}`]);
  });

  it('is told where the socket is: behind a proxy that ends TLS', async () => {
    const port = await freePort();
    app = await startApp({ PORT: port, SOCKET_PORT: port, TRUST_PROXY: 'loopback' });
    const proxied = { host: 'localhost', 'x-forwarded-proto': 'https' };
    const { 'connect-src': sources } = await policy(app.url, proxied);
    expect(sources).toEqual(["'self'", 'https://localhost', 'wss://localhost']);
  });

  it('is told where the socket is: where the operator says', async () => {
    const socketUrl = 'https://socket.example.com';
    app = await startApp({ PUBLIC_SOCKET_URL: socketUrl, ALLOW_PULL: 'true' });
    const { body } = await call('GET', `${app.url}/page.json`);
    expect(body).toMatchObject({ socketUrl, allowPull: true });
    const { 'connect-src': sources } = await policy(app.url);
    expect(sources).toEqual(["'self'", socketUrl, 'wss://socket.example.com']);
  });

  it('is told where the socket is: below BASE_PATH, where the operator says', async () => {
    const socketUrl = 'https://socket.example.com/';
    app = await startApp({ PUBLIC_SOCKET_URL: socketUrl, BASE_PATH: '/chat/' });
    const { body } = await call('GET', `${app.url}/chat/page.json`);
    expect(body.socketUrl).toBe('https://socket.example.com/chat');
    const { 'connect-src': sources } = await policy(`${app.url}/chat/`);
    expect(sources).toContain('wss://socket.example.com');
  });

  it('names the model of the OpenAI-compatible server where there is no Ollama', async () => {
    app = await startApp({
      OLLAMA_BASE_URL: ',',
      OPENAI_BASE_URL: 'http://127.0.0.1:1',
      OPENAI_MODEL: 'gpt-x',
    });
    expect((await call('GET', `${app.url}/page.json`)).body.model).toBe('gpt-x');
  });

  it('is given its questions, its routes and its socket by the demo', async () => {
    const demo = {
      questions: ['Why?'],
      longQuestion: 'All?',
      socketPort: 4711,
      module: { module: Here },
    };
    app = await startServer(loadConfig({ PORT: '0', SOCKET_PORT: '0', LOG_LEVEL: 'fatal' }), demo);
    const { body } = await call('GET', `${app.url}/page.json`);
    expect(body).toMatchObject({
      socketUrl: null,
      socketPort: 4711,
      demo: { questions: ['Why?'], longQuestion: 'All?' },
    });
    expect((await policy(app.url))['connect-src']).toContain('http://127.0.0.1:4711');
    expect((await call('GET', `${app.url}/demo/here`)).body).toEqual({ yes: true });
  });

  it('has no demo routes elsewhere, and nothing at other addresses', async () => {
    app = await startApp();
    for (const path of ['/demo/here', '/nothing', '/assets/nothing.js']) {
      expect(await call('GET', app.url + path)).toMatchObject({
        status: 404,
        body: { code: 'not_found' },
      });
    }
  });

  it.each(['chat.example.com', 'https://chat.example.com/path', 'ftp://chat.example.com'])(
    'does not start with %s as PUBLIC_SOCKET_URL',
    (url) => {
      expect(() => loadConfig({ PUBLIC_SOCKET_URL: url })).toThrow(
        'PUBLIC_SOCKET_URL must be an origin such as https://chat.example.com.',
      );
    },
  );
});
