import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { untilReady } from './support/cluster-stage.js';
import { Client } from './support/client.js';
import { bearer, KeysFile, SECRET, tokenOf } from './support/credentials.js';
import { describeIf } from './support/needs.js';
import { FAULT_ENGINE, RedisServer } from './support/redis-server.js';
import { FaultProxy } from './support/fault-proxy.js';
import { handshake } from './support/handshake.js';
import { call } from './support/rest.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';
import { until } from './support/until.js';

/** How long another node may take to hear of a revocation, in milliseconds. */
const WITHIN_MS = 5_000;

const { name, program, missing } = FAULT_ENGINE;
describeIf(program !== undefined, missing)(`who may do what, over two nodes on ${name}`, () => {
  const keys = new KeysFile();
  const admin = keys.add('ops', { scopes: ['admin'] });
  let root: string;
  let redis: RedisServer;
  let upstream: ScriptedUpstream;
  let nodes: RunningServer[];
  let clients: Client[];
  let a: RunningServer;
  let b: RunningServer;

  beforeAll(async () => {
    root = await tokenOf('root', { scopes: ['admin'] });
    redis = await RedisServer.start(program ?? '');
  });
  afterAll(async () => {
    await redis?.close();
  });
  beforeEach(async () => {
    await redis.ask((client) => client.flushall());
    upstream = await ScriptedUpstream.start();
    nodes = [];
    clients = [];
  });
  afterEach(async () => {
    for (const client of clients) client.close();
    await Promise.all(nodes.map((node) => node.close()));
    await upstream?.close();
  });

  const node = async (env: Record<string, string | number> = {}): Promise<RunningServer> => {
    const started = await startApp({
      OLLAMA_BASE_URL: upstream.url,
      REDIS_URL: redis.url,
      NODE_LEASE_MS: 1000,
      MAX_CONCURRENT: 50,
      API_KEYS_FILE: keys.path,
      JWT_SECRET: SECRET,
      ...env,
    });
    nodes.push(started);
    return started;
  };
  const open = async (env: Record<string, string | number> = {}): Promise<void> => {
    [a, b] = await Promise.all([node(env), node(env)]);
    await untilReady(redis, 2);
    // They know of each other.
    await until(async () => {
      const views = await Promise.all(
        nodes.map(({ url }) => call('GET', `${url}/llm/cluster`, undefined, bearer(root))),
      );
      return views.every(({ body }) => body.nodes.length === 2);
    });
  };
  const connect = async (at: RunningServer, token: string): Promise<Client> => {
    const client = await Client.connect(at.socketUrl, { auth: { token } });
    clients.push(client);
    return client;
  };
  const rest = (
    { url }: Pick<RunningServer, 'url'>,
    method: string,
    path: string,
    credential: string,
    body?: object,
  ): ReturnType<typeof call> => call(method, `${url}${path}`, body, bearer(credential));
  const generate = (
    at: RunningServer,
    credential: string,
    fields: object = {},
  ): ReturnType<typeof call> =>
    rest(at, 'POST', '/llm/generate', credential, {
      prompt: 'xyz',
      onDisconnect: 'keep',
      ...fields,
    });
  const left = async (at: RunningServer, credential: string): Promise<unknown> =>
    (await rest(at, 'GET', '/llm/me', credential)).body.left;

  it('counts the starts of a minute once, wherever they come', async () => {
    await open({ LIMIT_STARTS_PER_MINUTE: 3 });
    const ada = await tokenOf('ada');
    const statuses = [];
    for (const at of [a, b, a, b, a]) statuses.push((await generate(at, ada)).status);
    expect(statuses).toEqual([201, 201, 201, 429, 429]);
    expect(await left(b, ada)).toEqual({ startsThisMinute: 0 });
    expect((await generate(b, await tokenOf('bob'))).status).toBe(201);
  });

  it('counts the tokens of a day once; what was not used is given back on all nodes', async () => {
    await open({ LIMIT_TOKENS_PER_DAY: 1000, LIMIT_STARTS_PER_MINUTE: 0 });
    const ada = await tokenOf('ada');
    expect((await generate(a, ada, { options: { num_predict: 899 } })).status).toBe(201);
    expect(await left(b, ada)).toEqual({ tokensToday: 100 });
    expect((await generate(b, ada, { options: { num_predict: 899 } })).body).toMatchObject({
      code: 'quota_exceeded',
    });
    (await upstream.nextCall()).text('x').done({ prompt_eval_count: 11, eval_count: 3 });
    await until(async () => JSON.stringify(await left(b, ada)) === '{"tokensToday":986}');
    // A node that starts later knows it too.
    expect(await left(await node({ LIMIT_TOKENS_PER_DAY: 1000 }), ada)).toMatchObject({
      tokensToday: 986,
    });
  });

  it('a tenant’s hold over all of its users on all nodes', async () => {
    const shop = new KeysFile();
    shop.write('{"tenant":"shop","limits":{"startsPerMinute":2,"sockets":1}}\n');
    await open({ API_KEYS_FILE: shop.path });
    const [ada, bob] = await Promise.all(
      ['ada', 'bob'].map((sub) => tokenOf(sub, { tenant: 'shop' })),
    );
    expect((await generate(a, ada!)).status).toBe(201);
    expect((await generate(b, bob!)).status).toBe(201);
    expect((await generate(a, bob!)).status).toBe(429);
    const socket = await connect(a, ada!);
    expect(await handshake(b.socketUrl, { token: bob! })).toMatchObject({ code: 'rate_limited' });
    socket.close();
    await until(async () => (await handshake(b.socketUrl, { token: bob! })) === undefined);
  });

  it('counts the sockets of all nodes together', async () => {
    await open({ LIMIT_SOCKETS: 2, LIMIT_HANDSHAKES_PER_10S: 0 });
    const ada = await tokenOf('ada');
    const first = await connect(a, ada);
    const second = await connect(b, ada);
    expect(await handshake(a.socketUrl, { token: ada })).toMatchObject({
      code: 'rate_limited',
      retryAfterMs: expect.any(Number),
    });
    expect(await handshake(b.socketUrl, { token: await tokenOf('bob') })).toBeUndefined();
    first.close();
    await until(async () => (await handshake(b.socketUrl, { token: ada })) === undefined);
    second.close();
    // Nothing is left in Redis of whoever has none.
    await until(async () => (await redis.ask((client) => client.keys('lc:w:*')))?.length === 0);
  });

  it('what is taken back on one node closes what is open on the other, and stops what runs there', async () => {
    await open();
    const ada = await tokenOf('ada');
    const [here, there, other] = await Promise.all([
      connect(a, ada),
      connect(b, ada),
      connect(b, await tokenOf('bob')),
    ]);
    const { body: started } = await generate(b, ada);
    const request = await upstream.nextCall();
    const answer = await rest(a, 'POST', '/admin/revoke', admin, {
      tenant: 'default',
      sub: 'ada',
      cancel: true,
    });
    expect(answer).toMatchObject({ status: 200, body: { closed: 2, cancelled: 1 } });
    expect(answer.body).not.toHaveProperty('missing');
    await until(() => !here.socket.connected && !there.socket.connected, WITHIN_MS);
    expect(there.exceptions).toContainEqual(expect.objectContaining({ code: 'unauthorized' }));
    await request.closed;
    for (const one of [a, b]) {
      expect(await rest(one, 'GET', '/llm/queue', ada)).toMatchObject({ status: 401 });
      expect(await handshake(one.socketUrl, { token: ada })).toMatchObject({
        code: 'unauthorized',
      });
    }
    expect(other.socket.connected).toBe(true);
    // Who was not there when it was taken back reads it.
    const late = await node();
    expect(await rest(late, 'GET', '/llm/queue', ada)).toMatchObject({ status: 401 });
    expect((await rest(late, 'GET', '/llm/queue', await tokenOf('bob'))).status).toBe(200);
    expect(started.generationId).toMatch(/^[\w-]{30}$/);
  });

  it('a socket that may not read keeps no other one of its user from an answer of another node', async () => {
    await open();
    const ada = await tokenOf('ada');
    const asking = await connect(a, ada);
    const onlyStarts = await tokenOf('ada', { scopes: ['start'] });
    const mute = await Promise.all([connect(a, onlyStarts), connect(b, onlyStarts)]);
    const reading = await connect(b, ada);
    const { generationId } = await asking.accepted('send_message', {
      user_id: 'ada',
      user_content: 'hi',
    });
    (await upstream.nextCall()).text('yes').done();
    expect(await reading.ended(generationId)).toMatchObject({ state: 'completed' });
    expect(await asking.ended(generationId)).toMatchObject({ state: 'completed' });
    expect(mute.map((one) => one.of(generationId))).toEqual([[], []]);
    // What it asks for itself it reads.
    const own = await mute[0].accepted('send_message', { user_id: 'ada', user_content: 'hi' });
    (await upstream.nextCall()).text('yes').done();
    expect(await mute[0].ended(own.generationId)).toMatchObject({ state: 'completed' });
  });

  it('who may only start has the answer in the same response, on whatever node its client is', async () => {
    const key = keys.add('asks', { tenant: 'default', scopes: ['start'] });
    await open();
    for (const at of [a, b]) {
      const client = await connect(at, await tokenOf('ada'));
      const response = await fetch(`${a.url}/llm/generate`, {
        method: 'POST',
        headers: {
          ...bearer(key),
          accept: 'text/event-stream',
          'content-type': 'application/json',
        },
        body: JSON.stringify({ prompt: 'hi', clientId: client.id }),
      });
      expect(response.status).toBe(200);
      (await upstream.nextCall()).text('yes').done();
      expect(await response.text()).toContain('Streaming completed');
    }
  });

  it('what another node has taken over is charged once', async () => {
    const path = await FaultProxy.start(redis.port);
    try {
      const limits = { LIMIT_TOKENS_PER_DAY: 1000, LIMIT_STARTS_PER_MINUTE: 0 };
      [a, b] = await Promise.all([
        node({ ...limits, REDIS_URL: `redis://127.0.0.1:${path.port}` }),
        node(limits),
      ]);
      await untilReady(redis, 2);
      const ada = await tokenOf('ada');
      const asked = await generate(a, ada, { options: { num_predict: 899 } });
      expect(asked.status).toBe(201);
      const first = await upstream.nextCall();
      path.stall();
      const second = await upstream.nextCall();
      path.resume();
      first.text('x');
      // It stops, as it is not its own any more.
      await first.closed;
      const running = async (): Promise<unknown> =>
        (await rest(a, 'GET', '/admin/generations', root)).body.generations.length;
      await until(async () => (await running()) === 1);
      second.text('y').done({ prompt_eval_count: 11, eval_count: 3 });
      await until(async () => (await running()) === 0);
      await until(async () => JSON.stringify(await left(a, ada)) === '{"tokensToday":986}');
      expect(await left(b, ada)).toEqual({ tokensToday: 986 });
    } finally {
      await path.close();
    }
  });

  it('a revocation that Redis has lost is written again', async () => {
    await open();
    const ada = await tokenOf('ada');
    const body = { tenant: 'default', sub: 'ada' };
    expect((await rest(a, 'POST', '/admin/revoke', admin, body)).status).toBe(200);
    await until(async () => (await rest(b, 'GET', '/llm/queue', ada)).status === 401);
    const kept = async (): Promise<unknown> => redis.ask((client) => client.xlen('lc:revoked'));
    await redis.ask((client) => client.flushall());
    await until(async () => Number(await kept()) > 0);
    const late = await node();
    expect(await rest(late, 'GET', '/llm/queue', ada)).toMatchObject({ status: 401 });
  });

  it('an operator sees what runs on all nodes, and cancels any of it from each', async () => {
    await open();
    const [ada, bob] = [await tokenOf('ada'), await tokenOf('bob', { tenant: 'bank' })];
    const here = (await generate(a, ada)).body.generationId as string;
    const there = (await generate(b, bob)).body.generationId as string;
    for (const at of [a, b]) {
      const { body } = await rest(at, 'GET', '/admin/generations', admin);
      expect(body.generations).toHaveLength(2);
      expect(body.generations).toContainEqual(
        expect.objectContaining({ generationId: here, tenant: 'default', sub: 'ada' }),
      );
      expect(body.generations).toContainEqual(
        expect.objectContaining({ generationId: there, tenant: 'bank', sub: 'bob' }),
      );
    }
    expect((await rest(a, 'DELETE', `/admin/generations/${there}`, admin)).status).toBe(204);
    expect((await rest(b, 'DELETE', `/admin/generations/${here}`, admin)).status).toBe(204);
    for (const [at, id, token] of [
      [a, there, bob],
      [b, here, ada],
    ] as const) {
      await until(async () => {
        const { body } = await rest(at, 'GET', `/llm/generations/${id}`, token);
        return body.state === 'cancelled' && body.reason === 'admin';
      });
    }
    expect((await rest(a, 'DELETE', `/admin/generations/${there}`, admin)).status).toBe(404);
  });

  it('while Redis is away starts are refused, and what runs is let alone', async () => {
    await open({ LIMIT_TOKENS_PER_DAY: 1000, LIMIT_SOCKETS: 2 });
    const ada = await tokenOf('ada');
    const { body } = await generate(a, ada, { options: { num_predict: 500 } });
    const { generationId } = body as { generationId: string };
    const request = (await upstream.nextCall()).text('one ');
    // It has begun: a first text that came later would wait for Redis.
    await until(async () => {
      const { body: view } = await rest(a, 'GET', `/llm/generations/${generationId}`, ada);
      return view.text === 'one ';
    });
    await redis.kill();
    expect(await generate(a, ada)).toMatchObject({
      status: 503,
      body: { code: 'store_unavailable' },
    });
    // A reader that comes back gets in, and reads from the beginning.
    const client = await connect(a, ada);
    expect(await client.ask('join', { generationId, after: 0 })).toMatchObject({ ok: true });
    request.text('two').done({ prompt_eval_count: 5, eval_count: 2 });
    await client.ended(generationId);
    expect(client.text(generationId)).toBe('one two');
    // A revocation holds here at once, and elsewhere as soon as Redis is back.
    const eve = await tokenOf('eve', undefined, 600);
    const refused = await rest(a, 'POST', '/admin/revoke', admin, {
      tenant: 'default',
      sub: 'eve',
    });
    expect(refused).toMatchObject({ status: 503, body: { code: 'store_unavailable' } });
    await redis.up();
    const seen = async (at: RunningServer): Promise<number> =>
      (await rest(at, 'GET', '/llm/queue', eve)).status;
    await until(async () => (await seen(b)) === 401);
    // What was settled meanwhile is settled now: Redis is empty, 493 of the 500 were not used.
    await until(
      async () => (await redis.ask((client) => client.keys('lc:u:tokens:*')))?.length === 1,
    );
  });
});
