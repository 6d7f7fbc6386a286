import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { bearer, KeysFile, SECRET, tokenOf } from './support/credentials.js';
import { handshake } from './support/handshake.js';
import { call } from './support/rest.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';
import { until } from './support/until.js';
import type { RunningServer } from '../src/server.js';

describe('the limits of users', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer | undefined;

  beforeEach(async () => {
    upstream = await ScriptedUpstream.start();
  });
  afterEach(async () => {
    await app?.close();
    await upstream.close();
  });

  const open = async (env: Record<string, string | number>): Promise<void> => {
    app = await startApp({
      OLLAMA_BASE_URL: upstream.url,
      JWT_SECRET: SECRET,
      MAX_CONCURRENT: 50,
      ...env,
    });
  };
  const generate = (token: string, fields: object = {}): ReturnType<typeof call> =>
    call(
      'POST',
      `${app?.url}/llm/generate`,
      { prompt: 'x', onDisconnect: 'keep', ...fields },
      bearer(token),
    );

  it('what runs is bounded, then it waits, then it is refused', async () => {
    await open({ LIMIT_RUNNING: 2, LIMIT_WAITING: 1 });
    const ada = await tokenOf('ada');
    const states = [];
    for (let n = 0; n < 3; n++) states.push((await generate(ada)).body.state);
    expect(states).toEqual(['starting', 'starting', 'queued']);
    const { status, body } = await generate(ada);
    expect(status).toBe(429);
    expect(body).toMatchObject({ code: 'rate_limited', retryAfterMs: expect.any(Number) });
    // Another user goes on, and one that ends makes room.
    expect((await generate(await tokenOf('bob'))).body.state).toBe('starting');
    (await upstream.nextCall()).text('x').done();
    await until(() => upstream.calls.length === 4);
    expect((await generate(ada)).status).toBe(201);
  });

  it('a tenant’s hold over all of its users', async () => {
    const keys = new KeysFile();
    keys.write('{"tenant":"shop","limits":{"running":2,"waiting":1}}\n');
    await open({ API_KEYS_FILE: keys.path });
    const tokens = await Promise.all(
      ['a', 'b', 'c'].map((sub) => tokenOf(sub, { tenant: 'shop' })),
    );
    const states = [];
    for (const token of tokens) states.push((await generate(token)).body.state);
    expect(states).toEqual(['starting', 'starting', 'queued']);
    expect((await generate(tokens[0]!)).status).toBe(429);
    expect((await generate(await tokenOf('a'))).body.state).toBe('starting');
  });

  it('a key’s hold over the users of the tokens that it had made', async () => {
    const keys = new KeysFile();
    const till = keys.add('till', { limits: { running: 2, waiting: 1 } });
    await open({ API_KEYS_FILE: keys.path });
    const tokens = [];
    for (const userId of ['a', 'b', 'c', 'd']) {
      const { body } = await call('POST', `${app?.url}/auth/token`, { userId }, bearer(till));
      tokens.push(body.token as string);
    }
    const states = [];
    for (const token of tokens) states.push((await generate(token)).body.state ?? 'refused');
    expect(states).toEqual(['starting', 'starting', 'queued', 'refused']);
  });

  it('starts in a minute, and GET /llm/me says what is left', async () => {
    await open({ LIMIT_STARTS_PER_MINUTE: 2, LIMIT_TOKENS_PER_DAY: 100_000 });
    const ada = await tokenOf('ada');
    const me = async (): Promise<object> =>
      (await call('GET', `${app?.url}/llm/me`, undefined, bearer(ada))).body as object;
    expect(await me()).toMatchObject({
      kind: 'user',
      sub: 'ada',
      scopes: ['start', 'read', 'cancel', 'share'],
      limits: { startsPerMinute: 2, tokensPerDay: 100_000 },
      left: { startsThisMinute: 2, tokensToday: 100_000 },
    });
    const headers = { ...bearer(ada), 'idempotency-key': 'one' };
    const asked = { prompt: 'x', onDisconnect: 'keep' };
    await call('POST', `${app?.url}/llm/generate`, asked, headers);
    // The same again starts nothing, and costs nothing.
    await call('POST', `${app?.url}/llm/generate`, asked, headers);
    expect(await me()).toMatchObject({ left: { startsThisMinute: 1 } });
    (await upstream.nextCall()).text('x').done({ prompt_eval_count: 11, eval_count: 3 });
    await until(async () => JSON.stringify(await me()).includes(`"tokensToday":${100_000 - 14}`));
    expect((await generate(ada)).status).toBe(201);
    const { status, headers: answered } = await generate(ada);
    expect(status).toBe(429);
    expect(Number(answered.get('retry-after'))).toBeGreaterThan(0);
  });

  it('tokens of a day: a cancel gives back only what was not used', async () => {
    await open({ LIMIT_TOKENS_PER_DAY: 1000, LIMIT_STARTS_PER_MINUTE: 0 });
    const ada = await tokenOf('ada');
    expect(await generate(ada, { options: { num_predict: 2000 } })).toMatchObject({
      status: 429,
      body: { code: 'quota_exceeded', retryable: true, retryAfterMs: expect.any(Number) },
    });
    const { body } = await generate(ada, { options: { num_predict: 900 } });
    expect((await generate(ada, { options: { num_predict: 900 } })).body.code).toBe(
      'quota_exceeded',
    );
    const request = await upstream.nextCall();
    for (let n = 0; n < 200; n++) request.text('word ');
    const path = `${app?.url}/llm/generations/${body.generationId}`;
    await until(async () => (await call('GET', path, undefined, bearer(ada))).body.seq === 200);
    await call('DELETE', path, undefined, bearer(ada));
    // 200 entries of 5 characters: more than 300 tokens are charged, and the rest is given back.
    const left = (await call('GET', `${app?.url}/llm/me`, undefined, bearer(ada))).body.left;
    expect(left.tokensToday).toBeLessThan(700);
    expect(left.tokensToday).toBeGreaterThan(600);
  });

  it('sockets of one user, and handshakes of one address', async () => {
    await open({ LIMIT_SOCKETS: 2, LIMIT_HANDSHAKES_PER_10S: 4 });
    const auth = { token: await tokenOf('ada') };
    const first = await Client.connect(app!.socketUrl, { auth });
    const second = await Client.connect(app!.socketUrl, { auth });
    expect(second.socket.connected).toBe(true);
    const third = await handshake(app!.socketUrl, auth);
    expect(third).toMatchObject({ code: 'rate_limited' });
    first.close();
    const bob = await handshake(app!.socketUrl, { token: await tokenOf('bob') });
    expect(bob).toBeUndefined();
    expect(await handshake(app!.socketUrl, { token: await tokenOf('bob') })).toMatchObject({
      code: 'rate_limited',
      retryAfterMs: expect.any(Number),
    });
    second.close();
  });

  describe('the models that a token names', () => {
    const denied = { status: 403, body: { code: 'forbidden' } };
    let here: RunningServer;
    const get = (path: string, token: string): ReturnType<typeof call> =>
      call('GET', `${here.url}${path}`, undefined, bearer(token));
    beforeEach(async () => {
      upstream.models = ['small:1b', 'llama3.2', 'large:70b'];
      await open({ ALLOW_PULL: 'true' });
      here = app!;
    });

    it('are the only ones that it is shown, at each door', async () => {
      const ada = await tokenOf('ada', { models: ['small:1b', 'llama3.2'] });
      const names = async (path: string, list: string, name = 'name'): Promise<unknown[]> =>
        (await get(path, ada)).body[list].map((model: Record<string, unknown>) => model[name]);
      const theirs = ['small:1b', 'llama3.2'];
      expect(await names('/llm/models', 'models')).toEqual(theirs);
      expect(await names('/v1/models', 'data', 'id')).toEqual(theirs);
      expect(await names('/api/tags', 'models')).toEqual(theirs);
      expect((await get('/v1/models/large:70b', ada)).status).toBe(404);
      const all = await get('/llm/models', await tokenOf('bob'));
      expect(all.body.models).toHaveLength(3);
    });

    it('are none where it names none, and not all', async () => {
      const ada = await tokenOf('ada', { models: [] });
      expect(await generate(ada, { model: 'large:70b' })).toMatchObject(denied);
      expect(await generate(ada)).toMatchObject(denied);
      expect((await get('/llm/models', ada)).body).toEqual({ models: [] });
      expect(upstream.calls).toHaveLength(0);
    });

    it('are the only ones that it may pull', async () => {
      const scopes = ['start', 'read', 'pull'];
      const ada = await tokenOf('ada', { models: ['small:1b'], scopes });
      const client = await Client.connect(here.socketUrl, { auth: { token: ada } });
      const pull = (model: string): ReturnType<typeof call> =>
        call('POST', `${here.url}/llm/models/pull`, { clientId: client.id, model }, bearer(ada));
      expect(await pull('large:70b')).toMatchObject(denied);
      expect((await pull('small:1b')).status).toBe(201);
      client.close();
    });

    it('bind it also where it starts for a socket of its user that may name others', async () => {
      const auth = { token: await tokenOf('ada') };
      const client = await Client.connect(here.socketUrl, { auth });
      const ada = await tokenOf('ada', { models: ['small:1b'] });
      const fields = { clientId: client.id };
      expect(await generate(ada, { ...fields, model: 'large:70b' })).toMatchObject(denied);
      expect((await generate(ada, { ...fields, model: 'small:1b' })).status).toBe(201);
      client.close();
    });
  });
});
