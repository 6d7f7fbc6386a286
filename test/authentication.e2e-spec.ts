import { connect } from 'node:net';
import { type RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { bearer, KeysFile, SECRET, tokenOf } from './support/credentials.js';
import { Program } from './support/program.js';
import { call } from './support/rest.js';
import { until } from './support/until.js';

const PLACE = '/llm/queue';

describe('a server with credentials', () => {
  const keys = new KeysFile();
  const shop = keys.add('shop');
  let app: RunningServer;

  beforeAll(async () => {
    app = await startApp({ API_KEYS_FILE: keys.path, JWT_SECRET: SECRET });
  });
  afterAll(() => app?.close());

  const ask = (headers: Record<string, string> = {}, path = PLACE): ReturnType<typeof call> =>
    call('GET', `${app.url}${path}`, undefined, headers);

  it('asks whoever has none for one', async () => {
    const { status, body, headers } = await ask();
    expect(status).toBe(401);
    expect(body).toMatchObject({ code: 'unauthorized', retryable: false });
    expect(headers.get('www-authenticate')).toBe('Bearer realm="llm-cast"');
  });

  it('serves a key and a token', async () => {
    expect(await ask(bearer(shop))).toMatchObject({ status: 200 });
    expect(await ask(bearer(await tokenOf('ada')))).toMatchObject({ status: 200 });
    expect(await ask({ authorization: `bearer ${shop}` })).toMatchObject({ status: 200 });
  });

  it.each([
    ['another scheme', () => `Basic ${Buffer.from('a:b').toString('base64')}`],
    ['a word', () => 'secret'],
    ['an empty one', () => 'Bearer '],
    ['a key that is not there', () => `Bearer lck_shop_${'x'.repeat(43)}`],
    ['a token of another secret', () => 'Bearer eyJhbGciOiJIUzI1NiJ9.e30.AAAA'],
    ['two of them', () => `Bearer ${shop} ${shop}`],
  ])('refuses %s', async (_name, header) => {
    const { status, body, headers } = await ask({ authorization: header() });
    expect(status).toBe(401);
    expect(body).toMatchObject({ code: 'unauthorized' });
    expect(headers.get('www-authenticate')).toBe('Bearer realm="llm-cast", error="invalid_token"');
  });

  it('tells an expired token apart', async () => {
    const { status, body } = await ask(bearer(await tokenOf('ada', undefined, -6)));
    expect(status).toBe(401);
    expect(body).toMatchObject({ code: 'auth_expired' });
  });

  it('takes none from the query or a cookie', async () => {
    for (const name of ['token', 'access_token', 'key', 'api_key']) {
      expect(await ask({}, `${PLACE}?${name}=${shop}`)).toMatchObject({ status: 401 });
      expect(await ask({ cookie: `${name}=${shop}` })).toMatchObject({ status: 401 });
    }
  });

  it('says nothing of which routes there are', async () => {
    expect(await ask({}, '/no/such/place')).toMatchObject({ status: 401 });
    expect(await ask(bearer(shop), '/no/such/place')).toMatchObject({ status: 404 });
  });

  it.each(['/', '/page.json', '/health/live', '/health/live/', '/health/ready', '/health/ready/'])(
    'leaves %s open',
    async (path) => {
      expect((await fetch(`${app.url}${path}`)).status).not.toBe(401);
    },
  );

  it('says in /health/ready no more than bare words to somebody whom it does not know', async () => {
    const named = [expect.objectContaining({ name: 'ollama' })];
    const ready = async (headers: Record<string, string>): Promise<unknown> =>
      ((await ask(headers, '/health/ready')).body as { upstreams: unknown }).upstreams;
    expect(await ready({})).toEqual([]);
    expect(await ready(bearer('bad'))).toEqual([]);
    expect(await ready(bearer(shop))).toEqual(named);
  });

  it('refuses before it has read the body', async () => {
    const { port } = new URL(app.url);
    const socket = connect(Number(port), '127.0.0.1');
    let answer = '';
    socket.on('data', (bytes) => (answer += bytes.toString()));
    socket.write(
      'POST /llm/generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
        'Content-Length: 1000000\r\n\r\n{"prompt":',
    );
    await until(() => answer.includes('unauthorized'));
    socket.destroy();
  });

  it('keeps its documents for admins', async () => {
    const admin = await tokenOf('root', { scopes: ['admin'] });
    for (const path of ['/docs/', '/docs-json', '/asyncapi.json']) {
      expect((await fetch(`${app.url}${path}`)).status).toBe(401);
      const user = bearer(await tokenOf('ada'));
      expect((await fetch(`${app.url}${path}`, { headers: user })).status).toBe(403);
      expect((await fetch(`${app.url}${path}`, { headers: bearer(admin) })).status).toBe(200);
    }
  });
});

describe('POST /auth/token', () => {
  const keys = new KeysFile();
  const shop = keys.add('shop');
  const reader = keys.add('reader', { scopes: ['start', 'read'], tenant: 'shop' });
  let app: RunningServer;

  beforeAll(async () => {
    app = await startApp({ API_KEYS_FILE: keys.path });
  });
  afterAll(() => app?.close());

  const mint = (body: object, key = shop): ReturnType<typeof call> =>
    call('POST', `${app.url}/auth/token`, body, bearer(key));

  it('makes a token of a user', async () => {
    const { status, body, headers } = await mint({ userId: 'ada' });
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    const life = Date.parse(body.expiresAt) - Date.now();
    expect(life).toBeGreaterThan(840_000);
    expect(life).toBeLessThanOrEqual(900_000);
    const answer = await call('GET', `${app.url}${PLACE}`, undefined, bearer(body.token));
    expect(answer.status).toBe(200);
  });

  it.each([
    [{}, 'userId'],
    [{ userId: '' }, 'userId'],
    [{ userId: 'ada', ttl: 59 }, 'ttl'],
    [{ userId: 'ada', ttl: 86_401 }, 'ttl'],
    [{ userId: 'ada', scopes: ['root'] }, 'scopes'],
  ])('refuses %j', async (body, path) => {
    const answer = await mint(body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(JSON.stringify(answer.body.details)).toContain(path);
  });

  it('gives no scope that the key itself has not', async () => {
    expect(await mint({ userId: 'ada', scopes: ['admin'] })).toMatchObject({ status: 403 });
    expect(await mint({ userId: 'ada', scopes: ['cancel'] }, reader)).toMatchObject({
      status: 403,
    });
    expect(await mint({ userId: 'ada', scopes: ['read'] }, reader)).toMatchObject({ status: 200 });
  });

  it('is for API keys: a token makes no tokens', async () => {
    const { body } = await mint({ userId: 'ada' });
    expect(await mint({ userId: 'bob' }, body.token)).toMatchObject({
      status: 403,
      body: { code: 'forbidden' },
    });
  });
});

describe('a link to one generation', () => {
  it('is where the generation is, also below BASE_PATH', async () => {
    const app = await startApp({ JWT_SECRET: SECRET, BASE_PATH: '/chat/' });
    const ada = bearer(await tokenOf('ada'));
    const asked = { prompt: 'Hi', onDisconnect: 'keep' };
    try {
      const started = await call('POST', `${app.url}/chat/llm/generate`, asked, ada);
      const place = `${app.url}${started.headers.get('location')}`;
      const { status, body } = await call('POST', `${place}/share`, {}, ada);
      expect(status).toBe(201);
      expect(body.url).toBe(place);
      const held = bearer(body.token as string);
      expect(await call('GET', body.url as string, undefined, held)).toMatchObject({ status: 200 });
    } finally {
      await app.close();
    }
  });
});

describe('API_KEYS_FILE', () => {
  it('may change while the server runs; one that is broken changes nothing', async () => {
    const keys = new KeysFile();
    const first = keys.add('shop');
    const app = await startApp({
      API_KEYS_FILE: keys.path,
      LIMIT_FAILED_TOKENS_PER_MINUTE: 0,
    });
    const status = async (key: string): Promise<number> =>
      (await call('GET', `${app.url}${PLACE}`, undefined, bearer(key))).status;
    try {
      expect(await status(first)).toBe(200);
      const second = keys.add('shop');
      await until(async () => (await status(second)) === 200);
      expect(await status(first)).toBe(200);

      keys.write('{"id":');
      // Longer than it takes to be noticed.
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      expect([await status(first), await status(second)]).toEqual([200, 200]);

      keys.write('');
      const third = keys.add('shop');
      await until(async () => (await status(third)) === 200);
      expect([await status(first), await status(second)]).toEqual([401, 401]);
    } finally {
      await app.close();
    }
  });

  it.each([
    ['is not there', '/nowhere/keys.jsonl', 'ENOENT'],
    ['is a folder', '/tmp', 'EISDIR'],
  ])('that %s stops the start by its name', async (_name, path, reason) => {
    await expect(startApp({ API_KEYS_FILE: path })).rejects.toThrow(
      new RegExp(`^API_KEYS_FILE .*${reason}`),
    );
  });

  it('that is broken stops the start by its name, and the line', async () => {
    const keys = new KeysFile();
    keys.add('shop');
    keys.add('shop', { scopes: ['root'] });
    await expect(startApp({ API_KEYS_FILE: keys.path })).rejects.toThrow(/^API_KEYS_FILE .*line 2/);
  });
});

describe('bad credentials of one address', () => {
  it('are refused as too many, while its good ones are served', async () => {
    const app = await startApp({ JWT_SECRET: SECRET, LIMIT_FAILED_TOKENS_PER_MINUTE: 3 });
    const ask = (token: string): ReturnType<typeof call> =>
      call('GET', `${app.url}${PLACE}`, undefined, bearer(token));
    try {
      for (let n = 0; n < 3; n++) expect((await ask('bad')).status).toBe(401);
      const { status, body, headers } = await ask('bad');
      expect(status).toBe(429);
      expect(body).toMatchObject({ code: 'rate_limited', retryable: true });
      expect(body.retryAfterMs).toBeLessThanOrEqual(60_000);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      expect((await ask(await tokenOf('ada'))).status).toBe(200);
    } finally {
      await app.close();
    }
  });
});

describe('bad credentials behind two proxies of a list', () => {
  it('count for what the first proxy tells, also where it tells the ports of both', async () => {
    const app = await startApp({
      JWT_SECRET: SECRET,
      LIMIT_FAILED_TOKENS_PER_MINUTE: 1,
      TRUST_PROXY: 'loopback,10.0.0.0/8',
    });
    const ask = async (address: string): Promise<number> => {
      const said = { 'x-forwarded-for': `${address}, 10.0.0.5:49152` };
      return (await call('GET', `${app.url}${PLACE}`, undefined, { ...bearer('bad'), ...said }))
        .status;
    };
    try {
      expect(await ask('203.0.113.7:1024')).toBe(401);
      expect(await ask('203.0.113.7:1025')).toBe(429);
      expect(await ask('[2001:db8::1]:1024')).toBe(401);
    } finally {
      await app.close();
    }
  });
});

describe('without any credential configured', () => {
  it('an Authorization header is nobody’s business', async () => {
    const app = await startApp();
    try {
      for (const authorization of ['Bearer sk-dummy', 'Basic eDp5', 'x']) {
        const { status } = await call('GET', `${app.url}${PLACE}`, undefined, { authorization });
        expect(status).toBe(200);
      }
    } finally {
      await app.close();
    }
  });

  it('a public HOST does not start, and says what to set', async () => {
    const server = Program.server({ HOST: '0.0.0.0' });
    expect(await server.exited).toBe(1);
    expect(server.stderr).toMatch(/^llm-cast cannot start: HOST must be a loopback address/);
    for (const name of ['API_KEYS_FILE', 'JWT_SECRET', 'JWT_JWKS_URL', 'ALLOW_ANONYMOUS']) {
      expect(server.stderr).toContain(name);
    }
  });
});

describe('the audit', () => {
  it('has a line for what was refused and what was given, and never a credential', async () => {
    const keys = new KeysFile();
    const shop = keys.add('shop');
    const server = Program.server({
      API_KEYS_FILE: keys.path,
      JWT_SECRET: SECRET,
      LOG_FORMAT: 'json',
      OLLAMA_BASE_URL: 'http://127.0.0.1:1',
    });
    try {
      const { url } = await server.listening();
      const token = await tokenOf('ada', { limits: { nothing: 1 } });
      const bad = await call('GET', `${url}${PLACE}`, undefined, {
        ...bearer(token),
        'x-request-id': 'request-7',
      });
      expect(bad.status).toBe(401);
      const minted = await call('POST', `${url}/auth/token`, { userId: 'ada' }, bearer(shop));
      await server.said(/"message":"token"/);
      const lines = server.stdout
        .split('\n')
        .filter((line) => line.includes('"Audit"'))
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(lines).toEqual([
        expect.objectContaining({
          context: 'Audit',
          message: 'auth.failed',
          address: '127.0.0.1',
          requestId: 'request-7',
          code: 'unauthorized',
        }),
        expect.objectContaining({ message: 'token', tenant: 'shop', key: 'shop', sub: 'ada' }),
      ]);
      const all = server.stdout + server.stderr;
      for (const secret of [token, shop, minted.body.token as string, SECRET]) {
        expect(all).not.toContain(secret);
        expect(all).not.toContain(secret.slice(-20));
      }
    } finally {
      await server.kill();
    }
  });
});
