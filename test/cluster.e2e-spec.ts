import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { untilReady } from './support/cluster-stage.js';
import { Client } from './support/client.js';
import { describeIf } from './support/needs.js';
import { ENGINES, RedisServer } from './support/redis-server.js';
import { call } from './support/rest.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';
import { until } from './support/until.js';

for (const { name, program, missing } of ENGINES) {
  describeIf(program !== undefined, missing)(`two nodes on ${name}`, () => {
    let redis: RedisServer;
    let upstream: ScriptedUpstream;
    let a: RunningServer;
    let b: RunningServer;
    let clients: Client[];

    beforeAll(async () => {
      redis = await RedisServer.start(program ?? '');
    });
    afterAll(async () => {
      await redis?.close();
    });
    beforeEach(async () => {
      await redis.ask((client) => client.flushall());
      upstream = await ScriptedUpstream.start();
      clients = [];
      [a, b] = await Promise.all([startNode(), startNode()]);
      await untilReady(redis, 2);
    });
    afterEach(async () => {
      for (const client of clients) client.close();
      await Promise.all([a?.close(), b?.close()]);
      await upstream?.close();
    });

    const startNode = (env: Record<string, string | number> = {}): Promise<RunningServer> =>
      startApp({
        OLLAMA_BASE_URL: upstream.url,
        REDIS_URL: redis.url,
        NODE_LEASE_MS: 1000,
        MAX_CONCURRENT: 4,
        ...env,
      });
    const connect = async (node: RunningServer, user?: string): Promise<Client> => {
      const client = await Client.connect(node.socketUrl, {
        ...(user !== undefined && { auth: { userId: user } }),
      });
      clients.push(client);
      return client;
    };

    it('lets a socket of one node join, read and cancel what runs on the other', async () => {
      const [here, there] = [await connect(a), await connect(b)];
      const { generationId } = await here.accepted('generate', { prompt: 'x' });
      expect(generationId).toMatch(/^[\w-]{30}$/);
      const request = (await upstream.nextCall()).text('one ').text('two ');
      await here.until(() => here.text(generationId) === 'one two ');
      expect(await there.ask('join', { generationId, after: 0 })).toMatchObject({ ok: true });
      await there.until(() => there.text(generationId) === 'one two ');
      request.text('three ').text('four');
      await there.until(() => there.text(generationId) === 'one two three four');
      expect(there.of(generationId).map(({ seq }) => seq)).toEqual([2, 3, 4]);
      expect(await there.ask('cancel', { generationId })).toMatchObject({
        ok: true,
        state: 'cancelled',
      });
      const [end, same] = [await here.ended(generationId), await there.ended(generationId)];
      expect(end).toMatchObject({ state: 'cancelled', reason: 'client' });
      expect(same).toEqual(end);
    });

    it('answers GET and SSE on either node, running and ended', async () => {
      const { body } = await call('POST', `${a.url}/llm/generate`, {
        prompt: 'x',
        onDisconnect: 'keep',
      });
      const id = body.generationId as string;
      const request = (await upstream.nextCall()).text('one ');
      await until(async () => {
        const { body: view } = await call('GET', `${b.url}/llm/generations/${id}`);
        return view.text === 'one ';
      });
      const events = await fetch(`${b.url}/llm/generations/${id}/events`);
      request.text('two').done();
      const text = await events.text();
      expect(text).toContain('"response":"two"');
      expect(text).toContain('Streaming completed');
      const views = await Promise.all(
        [a, b].map(async ({ url }) => (await call('GET', `${url}/llm/generations/${id}`)).body),
      );
      expect(views[1]).toMatchObject({ text: 'one two', state: 'completed', seq: views[0].seq });
    });

    it('starts over REST on any node for a socket of any node', async () => {
      const client = await connect(a);
      const { status, body } = await call('POST', `${b.url}/llm/generate`, {
        clientId: client.id,
        prompt: 'x',
      });
      expect(status).toBe(201);
      (await upstream.nextCall()).text('hello').done();
      expect(await client.ended(body.generationId)).toMatchObject({ state: 'completed' });
      expect(client.text(body.generationId)).toBe('hello');
      // Two requests without an idempotency key are two.
      const again = await call('POST', `${b.url}/llm/generate`, {
        clientId: client.id,
        prompt: 'x',
      });
      expect(again.body.generationId).not.toBe(body.generationId);
      (await upstream.nextCall()).done();
      for (const clientId of [`${client.id}x`, 'nobodyxx12345678901234567890']) {
        const answer = await call('POST', `${b.url}/llm/generate`, { clientId, prompt: 'x' });
        expect(answer).toMatchObject({ status: 404, body: { code: 'client_not_found' } });
      }
    });

    it('streams to every socket of a user, on whatever node', async () => {
      const [here, there, other] = [
        await connect(a, 'ann'),
        await connect(b, 'ann'),
        await connect(b, 'bob'),
      ];
      const { generationId } = await here.accepted('send_message', {
        user_id: 'ann',
        user_content: 'x',
      });
      (await upstream.nextCall()).text('hello').done();
      for (const client of [here, there]) {
        expect(await client.ended(generationId)).toMatchObject({ state: 'completed' });
      }
      expect(other.records).toEqual([]);
      expect(await other.ask('join', { generationId, after: 0 })).toMatchObject({
        ok: false,
        error: { code: 'generation_not_found' },
      });
    });

    it('tells a new socket of any node what goes on for its user', async () => {
      const here = await connect(a, 'ann');
      const { generationId } = await here.accepted('generate', { prompt: 'x' });
      await upstream.nextCall();
      const there = await connect(b, 'ann');
      await there.until(() => there.states.some((state) => state.generationId === generationId));
    });

    it('knows an idempotency key on every node', async () => {
      const ask = (node: RunningServer, prompt: string) =>
        call(
          'POST',
          `${node.url}/llm/generate`,
          { prompt, onDisconnect: 'keep' },
          { 'idempotency-key': 'k' },
        );
      const first = await ask(a, 'x');
      const second = await ask(b, 'x');
      expect(second.body).toMatchObject({
        generationId: first.body.generationId,
        deduplicated: true,
      });
      expect(await ask(b, 'y')).toMatchObject({
        status: 409,
        body: { code: 'idempotency_conflict' },
      });
      expect(upstream.calls).toHaveLength(1);
    });

    it('has one line for all nodes, and tells the positions in it', async () => {
      const [here, there] = [await connect(a, 'ann'), await connect(b, 'bob')];
      const running: string[] = [];
      for (let at = 0; at < 4; at++) {
        running.push((await here.accepted('generate', { prompt: `${at}` })).generationId);
      }
      await here.accepted('generate', { prompt: 'waits' });
      const answer = await there.ask('generate', { prompt: 'next' });
      expect(answer).toMatchObject({ ok: true, state: 'queued', position: 1 });
      const { body } = await call('GET', `${a.url}/llm/queue`);
      expect(body).toMatchObject({ waiting: 2, upstreams: [{ running: 4, waiting: 2 }] });
      const requests = [];
      for (let at = 0; at < 4; at++) requests.push(await upstream.nextCall());
      requests[0]?.done();
      expect((await upstream.nextCall()).body['prompt']).toBe('next');
      expect(upstream.mostOpen).toBe(4);
    });

    it('tells operators of the nodes, and what each one owns and follows', async () => {
      const [here, there] = [await connect(a), await connect(b)];
      const { generationId } = await here.accepted('generate', { prompt: 'x' });
      await upstream.nextCall();
      await there.accepted('join', { generationId, after: 0 });
      const views = await Promise.all(
        [a, b].map(async ({ url }) => (await call('GET', `${url}/llm/cluster`)).body),
      );
      expect(views).toMatchObject([
        {
          owned: 1,
          followed: 0,
          leaseMs: 1000,
          store: { isReachable: true, maxMemoryPolicy: 'noeviction', isPersistent: false },
        },
        { owned: 0, followed: 1 },
      ]);
      const names = views.map(({ node }) => node as string).sort();
      for (const { nodes, store } of views) {
        expect(nodes.map(({ node }: { node: string }) => node).sort()).toEqual(names);
        expect(nodes.every(({ isAlive }: { isAlive: boolean }) => isAlive)).toBe(true);
        expect(store.latencyMs).toBeGreaterThan(0);
        expect(Number.parseInt(store.version, 10)).toBeGreaterThanOrEqual(7);
      }
      expect(names).toContain(generationId.slice(22));
    });

    it('leaves alone what a node of another version has written', async () => {
      const here = await connect(a);
      const { generationId } = await here.accepted('generate', { prompt: 'x' });
      await upstream.nextCall();
      const key = `lc:{${generationId.slice(22)}}:m:${generationId}`;
      await redis.ask((client) => client.hset(key, 'v', 'next'));
      expect(await call('GET', `${b.url}/llm/generations/${generationId}`)).toMatchObject({
        status: 503,
        body: { code: 'store_unavailable', retryable: true },
      });
    });

    it('counts a reader on another node as a reader', async () => {
      await Promise.all([a.close(), b.close()]);
      [a, b] = await Promise.all([
        startNode({ ABANDON_AFTER_MS: 500 }),
        startNode({ ABANDON_AFTER_MS: 500 }),
      ]);
      const here = await connect(a);
      const { generationId } = await here.accepted('generate', { prompt: 'x' });
      const request = await upstream.nextCall();
      const there = await connect(b);
      await there.ask('join', { generationId, after: 0 });
      here.close();
      await new Promise((resolve) => setTimeout(resolve, 1500));
      request.text('still here');
      await there.until(() => there.text(generationId) === 'still here');
      there.close();
      await until(async () => {
        const { body } = await call('GET', `${a.url}/llm/generations/${generationId}`);
        return body.state === 'cancelled' && body.reason === 'abandoned';
      });
    });
  });
}
