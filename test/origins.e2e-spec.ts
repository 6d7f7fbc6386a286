import { request } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { io } from 'socket.io-client';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { until } from './support/until.js';

/** A request with headers of the test's choice, `Host` among them. */
function ask(
  url: string,
  headers: Record<string, string>,
  method = 'GET',
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, headers, agent: false }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (text: string) => (body += text));
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }),
      );
    });
    asked.on('error', reject).end();
  });
}

/**
 * Which of the transports a page of that origin may open. The client's polling sets `Host` itself:
 * with a `host` only websocket tells.
 */
async function sockets(
  socketUrl: string,
  headers: Record<string, string>,
  transports = 'host' in headers ? ['websocket'] : ['polling', 'websocket'],
): Promise<string[]> {
  const opened: string[] = [];
  for (const transport of transports) {
    const socket = io(`${socketUrl}/events`, {
      transports: [transport],
      extraHeaders: headers,
      reconnection: false,
      forceNew: true,
    });
    const isOpen = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('connect_error', () => resolve(false));
    });
    if (isOpen === true) opened.push(transport);
    socket.disconnect();
  }
  return opened;
}

const FOREIGN = [
  ['a foreign page', 'https://evil.example'],
  ['a lookalike', 'http://localhost.evil.example'],
  ['a lookalike of the address', 'http://127.0.0.1.evil.example:3000'],
  ['a name that ends alike', 'http://evillocalhost'],
  ['userinfo that looks alike', 'http://localhost@evil.example'],
  ['nobody (a sandboxed frame, a file)', 'null'],
  ['something that is no origin', 'http://localhost:3000/path'],
  ['another scheme', 'ftp://localhost'],
] as const;
const LOCAL = [
  'http://localhost:3000',
  'http://127.0.0.1:5173',
  'http://[::1]:8080',
  'http://app.localhost',
];

describe('who may ask, while only this machine can connect', () => {
  let app: RunningServer;
  beforeAll(async () => {
    app = await startApp({ CORS_ORIGINS: 'https://chat.example.com' });
  });
  afterAll(() => app?.close());

  it.each(FOREIGN)('refuses %s: %s', async (_, origin) => {
    const answer = await ask(`${app.url}/health/live`, { origin });
    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.body)).toMatchObject({ statusCode: 403, code: 'forbidden' });
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    expect((await ask(`${app.url}/llm/generate`, { origin }, 'OPTIONS')).status).toBe(403);
    expect(await sockets(app.socketUrl, { origin })).toEqual([]);
  });

  it.each([...LOCAL, 'https://chat.example.com'])('lets pages of %s use it', async (origin) => {
    const answer = await ask(`${app.url}/health/live`, { origin });
    expect(answer.status).toBe(200);
    expect(answer.headers['access-control-allow-origin']).toBe(origin);
    expect(answer.headers['vary']).toMatch(/Origin/i);
    const preflight = await ask(
      `${app.url}/llm/generate`,
      {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type,idempotency-key',
      },
      'OPTIONS',
    );
    expect(preflight.status).toBe(204);
    expect(preflight.headers['access-control-allow-headers']).toMatch(/Idempotency-Key/i);
    expect(await sockets(app.socketUrl, { origin })).toEqual(['polling', 'websocket']);
  });

  it.each(['evil.example', 'evil.example:3000', 'localhost.evil.example', '192.168.0.7'])(
    'refuses a rebound Host: %s',
    async (host) => {
      for (const url of [
        `${app.url}/health/live`,
        `${app.socketUrl}/socket.io/?EIO=4&transport=polling`,
      ]) {
        expect((await ask(url, { host })).status).toBe(403);
        // The rebound page's own origin is no better.
        expect((await ask(url, { host, origin: `http://${host}` })).status).toBe(403);
      }
      expect(await sockets(app.socketUrl, { host })).toEqual([]);
    },
  );

  it.each(['localhost:3000', '127.0.0.1', '[::1]:3000', 'chat.example.com'])(
    'answers to Host %s',
    async (host) => {
      expect((await ask(`${app.url}/health/live`, { host })).status).toBe(200);
    },
  );

  it('refuses a foreign page that sends no Origin, but not a click on a link', async () => {
    const foreign = { 'sec-fetch-site': 'cross-site' };
    const poll = `${app.socketUrl}/socket.io/?EIO=4&transport=polling`;
    expect((await ask(poll, { ...foreign, 'sec-fetch-mode': 'no-cors' })).status).toBe(403);
    const live = `${app.url}/health/live`;
    expect((await ask(live, { ...foreign, 'sec-fetch-mode': 'no-cors' })).status).toBe(403);
    expect((await ask(live, { ...foreign, 'sec-fetch-mode': 'navigate' })).status).toBe(200);
  });
});

describe('who may ask, while others can connect', () => {
  let app: RunningServer;
  beforeAll(async () => {
    app = await startApp({
      HOST: '0.0.0.0',
      ALLOW_ANONYMOUS: 'true',
      CORS_ORIGINS: 'https://chat.example.com',
      ALLOWED_HOSTS: 'llm.example.com',
    });
  });
  afterAll(() => app?.close());

  const local = (url: string): string => url.replace('0.0.0.0', '127.0.0.1');

  it('answers under its names, to its own origin and the listed ones', async () => {
    const live = `${local(app.url)}/health/live`;
    const host = 'llm.example.com';
    expect((await ask(live, { host })).status).toBe(200);
    expect((await ask(live, { host, origin: 'http://llm.example.com' })).status).toBe(200);
    expect((await ask(live, { host, origin: 'https://chat.example.com' })).status).toBe(200);
    expect(await sockets(local(app.socketUrl), { host, origin: 'http://llm.example.com' })).toEqual(
      ['websocket'],
    );
  });

  it.each([...FOREIGN, ['a loopback page', 'http://localhost:3000'] as const])(
    'refuses %s: %s',
    async (_, origin) => {
      const host = 'llm.example.com';
      expect((await ask(`${local(app.url)}/health/live`, { host, origin })).status).toBe(403);
      expect(await sockets(local(app.socketUrl), { host, origin })).toEqual([]);
    },
  );
});

describe('origins that the operator has listed', () => {
  let app: RunningServer;
  beforeAll(async () => {
    app = await startApp({
      HOST: '0.0.0.0',
      ALLOW_ANONYMOUS: 'true',
      CORS_ORIGINS:
        'https://*.example.com:443, HTTP://Chat.lan:80, capacitor://localhost, ionic://localhost, ' +
        'tauri://localhost, app://obsidian.md, chrome-extension://abcdefghijklmnopabcdefghijklmnop',
    });
  });
  afterAll(() => app?.close());

  const local = (url: string): string => url.replace('0.0.0.0', '127.0.0.1');

  it.each([
    'https://chat.example.com',
    'https://a.b.example.com',
    'http://chat.lan',
    'capacitor://localhost',
    'ionic://localhost',
    'tauri://localhost',
    'app://obsidian.md',
    'chrome-extension://abcdefghijklmnopabcdefghijklmnop',
  ])('%s may use cookies and Authorization, over REST and over the socket', async (origin) => {
    const preflight = await ask(
      `${local(app.url)}/llm/generate`,
      {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type,x-of-the-app',
      },
      'OPTIONS',
    );
    expect(preflight.status).toBe(204);
    expect(preflight.headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-allow-headers': 'authorization,content-type,x-of-the-app',
    });
    for (const url of [
      `${local(app.url)}/health/live`,
      `${local(app.socketUrl)}/socket.io/?EIO=4&transport=polling`,
    ]) {
      const answer = await ask(url, { origin });
      expect(answer.status).toBe(200);
      expect(answer.headers).toMatchObject({
        'access-control-allow-origin': origin,
        'access-control-allow-credentials': 'true',
      });
      expect(answer.headers['vary']).toMatch(/Origin/i);
    }
    expect(await sockets(local(app.socketUrl), { origin })).toEqual(['polling', 'websocket']);
  });

  it.each([
    'https://example.com',
    'https://evilexample.com',
    'https://evil.com#.example.com',
    'https://chat.example.com.evil.com',
    'https://.example.com',
    'https://a@chat.example.com',
    'https://chat.example.com:444',
    'http://chat.example.com',
    'http://chat.lan:8080',
    'capacitor://localhost:1',
    'tauri://evil',
    'chrome-extension://ponmlkjihgfedcbaponmlkjihgfedcba',
  ])('are not %s', async (origin) => {
    expect((await ask(`${local(app.url)}/health/live`, { origin })).status).toBe(403);
    expect(await sockets(local(app.socketUrl), { origin })).toEqual([]);
  });

  it('are the only ones: credentials of other pages are not taken', async () => {
    const own = new URL(local(app.url)).origin;
    const answer = await ask(`${local(app.url)}/health/live`, { origin: own });
    expect(answer.status).toBe(200);
    expect(answer.headers['access-control-allow-credentials']).toBeUndefined();
  });

  it('are names for the server too, while only this machine can connect', async () => {
    const behindProxy = await startApp({ CORS_ORIGINS: 'https://*.example.com,app://evil.lan' });
    try {
      const status = async (host: string): Promise<number> =>
        (await ask(`${behindProxy.url}/health/live`, { host })).status;
      expect(await status('llm.example.com')).toBe(200);
      expect(await status('llm.example.com:443')).toBe(200);
      expect(await status('example.com')).toBe(403);
      expect(await status('evil.lan')).toBe(403);
    } finally {
      await behindProxy.close();
    }
  });
});

describe('idle connections', () => {
  /** What one connection gets when it asks, is silent for `ms` and asks again. */
  async function askTwice(url: string, ms: number): Promise<string> {
    const { hostname, port } = new URL(url);
    const connection = connect(Number(port), hostname);
    let got = '';
    connection.setEncoding('utf8').on('data', (text: string) => (got += text));
    const ask = (): unknown => connection.write('GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n');
    ask();
    await pause(ms);
    if (!connection.readableEnded) ask();
    await until(() => connection.closed || (got.match(/HTTP\/1.1 404/g) ?? []).length === 2);
    connection.destroy();
    return got;
  }

  it('are kept on both ports for longer than nginx keeps its own, and than Node would', async () => {
    const app = await startApp();
    try {
      const got = await Promise.all([app.url, app.socketUrl].map((url) => askTwice(url, 7_000)));
      for (const answers of got) {
        expect(answers.match(/HTTP\/1.1 404/g)).toHaveLength(2);
        // What Node says is its time less a second or so.
        const [, said] = /keep-alive: timeout=(\d+)/i.exec(answers) ?? [];
        expect(Number(said)).toBeGreaterThan(60);
      }
    } finally {
      await app.close();
    }
  });

  it('are closed on both ports after KEEP_ALIVE_TIMEOUT_MS', async () => {
    const app = await startApp({ KEEP_ALIVE_TIMEOUT_MS: 200 });
    try {
      const got = await Promise.all([app.url, app.socketUrl].map((url) => askTwice(url, 4_000)));
      for (const answers of got) expect(answers.match(/HTTP\/1.1 404/g)).toHaveLength(1);
    } finally {
      await app.close();
    }
  });
});

describe('what a peer can hold of the servers', () => {
  let app: RunningServer;
  beforeAll(async () => {
    app = await startApp({ MAX_CONNECTIONS: 20 });
  });
  afterAll(() => app?.close());

  it('listens on the loopback address only, on both ports', async () => {
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((one) => one !== undefined && one.family === 'IPv4' && !one.internal)?.address;
    for (const url of [app.url, app.socketUrl]) {
      expect(new URL(url).hostname).toBe('127.0.0.1');
      if (outside === undefined) continue;
      await expect(ask(url.replace('127.0.0.1', outside), {})).rejects.toMatchObject({
        code: 'ECONNREFUSED',
      });
    }
  });

  it('sends headers that fit our pages, and says nothing of what it is built with', async () => {
    const { headers } = await ask(`${app.url}/health/live`, {});
    expect(headers['content-security-policy']).toContain("script-src 'self'");
    expect(headers['content-security-policy']).not.toContain('upgrade-insecure-requests');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['strict-transport-security']).toBeUndefined();
    expect(headers['x-powered-by']).toBeUndefined();
    expect(headers['x-request-id']).toMatch(/^[\w.-]{1,64}$/);
  });

  it('serves no client script and does not compress', async () => {
    const script = await ask(`${app.socketUrl}/socket.io/socket.io.js`, {});
    expect(script.status).not.toBe(200);
    const poll = await ask(`${app.socketUrl}/socket.io/?EIO=4&transport=polling`, {
      'accept-encoding': 'gzip',
    });
    expect(poll.headers['content-encoding']).toBeUndefined();
  });

  it('answers what is not Socket.IO on its port', async () => {
    const answer = await ask(`${app.socketUrl}/elsewhere`, {});
    expect(answer.status).toBe(404);
    expect(JSON.parse(answer.body)).toMatchObject({ statusCode: 404, code: 'not_found' });
  });

  it('refuses headers that are too large', async () => {
    expect((await ask(`${app.url}/health/live`, { 'x-big': 'x'.repeat(20_000) })).status).toBe(431);
  });

  it('drops connections over MAX_CONNECTIONS', async () => {
    const port = Number(new URL(app.url).port);
    const open = Array.from({ length: 30 }, () => connect(port, '127.0.0.1'));
    const closed = open.map(
      (socket) =>
        new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve)),
    );
    await Promise.all(closed.slice(0, 1).map((one) => Promise.race([one, pause(500)])));
    expect(
      open.filter((socket) => !socket.destroyed && !socket.readableEnded).length,
    ).toBeLessThanOrEqual(20);
    for (const socket of open) socket.destroy();
  });
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
