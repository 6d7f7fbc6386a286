import type { RunningServer } from '../src/server.js';
import type { ClusterServer, ClusterStage, Env, RunningAnswer } from './support/cluster-stage.js';
import { FaultProxy } from './support/fault-proxy.js';
import { faultSuite } from './support/fault-suite.js';
import { Oracle } from './support/oracle.js';
import type { OracleClient } from './support/oracle-client.js';
import { call } from './support/rest.js';
import { Scrape } from './support/scrape.js';
import type { UpstreamCall } from './support/scripted-upstream.js';
import { until } from './support/until.js';

faultSuite('what waits for its turn', ({ often, stage: openStage, closeLater }) => {
  let stage: ClusterStage;

  /** One node that can be killed, and one that stays. */
  const open = async (env: Env = {}): Promise<[ClusterServer, RunningServer]> => {
    stage = await openStage({ env: { MAX_CONCURRENT: 1, ...env } });
    const nodes = await Promise.all([stage.node(), stage.nodeInside()]);
    await stage.ready();
    return nodes;
  };
  /** Two nodes that stay until they are told to go, of which the first is behind a path to Redis. */
  const openBehindPath = async (env: Env): Promise<[RunningServer, RunningServer, FaultProxy]> => {
    stage = await openStage({ env });
    const path = closeLater(await FaultProxy.start(stage.redis.port));
    const over = { REDIS_URL: `redis://127.0.0.1:${path.port}` };
    const nodes = await Promise.all([stage.nodeInside(over), stage.nodeInside()]);
    await stage.ready();
    return [...nodes, path];
  };
  /** A request that waits; read by the client that asked, and by another one. */
  const waits = async (
    here: OracleClient,
    there: OracleClient,
    prompt: string,
  ): Promise<{ id: string; oracle: Oracle }> => {
    const oracle = new Oracle();
    const id = await here.ask(oracle.reader('who asked'), prompt);
    await there.read(id, oracle.reader('who joined'));
    return { id, oracle };
  };
  /** The next request that reaches the upstream is this one; it is answered. */
  const serve = async (prompt: string, { oracle }: { oracle: Oracle }): Promise<void> => {
    const request = await stage.upstream.nextCall();
    expect(request.body['prompt']).toBe(prompt);
    oracle.sent('text', `${prompt} at last`);
    request.text(`${prompt} at last`).done();
  };

  often(
    'survives the node that was killed, at its place in the line, and can be cancelled before anybody knows',
    async () => {
      const [a, b] = await open();
      const [there, other] = [await stage.connect(b), await stage.connect(b)];
      const [running] = await stage.ask(there, 1);
      const here = await stage.connect(a);
      const first = await waits(here, there, 'first');
      const second = await waits(here, there, 'second');
      const { id: cancelled } = await waits(here, there, 'cancelled');
      const behind = await waits(other, there, 'behind');
      await a.program.kill();
      const { body } = await call('DELETE', `${b.url}/llm/generations/${cancelled}`);
      expect(body).toMatchObject({ state: 'cancelled' });
      await here.move(b.socketUrl);
      await stage.redis.until(async (client) => (await client.hlen('lc:nodes')) === 1);
      expect((await call('GET', `${b.url}/llm/queue`)).body).toMatchObject({ waiting: 3 });
      running?.request.done();
      // In the order in which they came.
      await serve('first', first);
      await serve('second', second);
      await serve('behind', behind);
      for (const { id, oracle } of [first, second, behind]) {
        expect(await there.ended(id)).toMatchObject({ state: 'completed' });
        await until(() => oracle.problems().length === 0);
      }
      expect(await there.ended(running?.id ?? '')).toMatchObject({ state: 'completed' });
      expect((await call('GET', `${b.url}/llm/queue`)).body).toMatchObject({ waiting: 0 });
      expect([...here.refusals, ...there.refusals]).toEqual([]);
    },
  );

  often('is accepted once and answered where its node is told to go just then', async () => {
    // It is not taken for dead because it waits for Redis.
    const [a, b, path] = await openBehindPath({ NODE_LEASE_MS: 5_000, DRAIN_MS: 20_000 });
    const [here, there] = [await stage.connect(a), await stage.connect(b)];
    // It does not go before this one has ended.
    const [running] = (await stage.ask(here, 1)) as [RunningAnswer];
    stage.write(running);
    await stage.untilWritten(20);
    const oracle = new Oracle();
    path.delayMs = 200;
    const asked = here.ask(oracle.reader('who asked'), 'just then', 'a key');
    const again = asked.catch(() => there.ask(oracle.reader('again'), 'just then', 'a key'));
    await stage.redis.until(async (client) => (await client.keys('lc:{*}:m:*')).length > 1);
    const gone = a.close();
    const id = await again;
    path.delayMs = 0;
    await there.read(id, oracle.reader('who joined'));
    // Both nodes may ask the upstream: the first one stops as the other one takes it.
    const answered = new Set<UpstreamCall>();
    await until(() => {
      for (const request of stage.upstream.calls.slice(1)) {
        if (!answered.has(request)) request.text('at last').done();
        answered.add(request);
      }
      return there.terminal(id) !== undefined;
    });
    expect(there.terminal(id)).toMatchObject({ state: 'completed' });
    stage.finish([running]);
    await gone;
  });

  often('begins anew on another node where it had a slot and nothing was said yet', async () => {
    const [a, b] = await open();
    const [here, there] = [await stage.connect(a), await stage.connect(b)];
    const starting = await waits(here, there, 'starting');
    await stage.upstream.nextCall();
    await until(() => there.states.some(({ state }) => state === 'starting'));
    await a.program.kill();
    await here.move(b.socketUrl);
    await serve('starting', starting);
    expect(await there.ended(starting.id)).toMatchObject({ state: 'completed' });
    expect(there.states.some(({ attempt }) => attempt === 2)).toBe(true);
    await until(() => starting.oracle.problems().length === 0);
  });

  often(
    'is measured where it is answered, though its first upstream request was elsewhere',
    async () => {
      stage = await openStage({ env: { MAX_CONCURRENT: 1, METRICS: 'true' } });
      const [a, b] = await Promise.all([stage.nodeInside(), stage.nodeInside()]);
      await stage.ready();
      const [here, there] = [await stage.connect(a), await stage.connect(b)];
      const starting = await waits(here, there, 'starting');
      await stage.upstream.nextCall();
      await until(() => there.states.some(({ state }) => state === 'starting'));
      const gone = a.close();
      await serve('starting', starting);
      expect(await there.ended(starting.id)).toMatchObject({ state: 'completed' });
      const scrape = await Scrape.of(b.url);
      expect(scrape.by('llm_cast_attempts_total', 'result')).toEqual({ completed: 1 });
      for (const name of [
        'llm_cast_queue_wait_seconds',
        'gen_ai_server_time_to_first_token_seconds',
        'gen_ai_client_operation_time_to_first_chunk_seconds',
      ]) {
        expect([name, scrape.sum(`${name}_count`)]).toEqual([name, 1]);
      }
      await gone;
    },
  );

  often('goes to another node at SIGTERM, while what runs goes on to its end', async () => {
    const [a, b] = await open({ DRAIN_MS: 20_000 });
    const [here, there] = [await stage.connect(a), await stage.connect(b)];
    const [running] = await stage.ask(here, 1);
    running?.oracle.sent('text', 'begun ');
    running?.request.text('begun ');
    const waiting = await waits(here, there, 'waits');
    a.program.child.kill('SIGTERM');
    const owner = (): Promise<string | null | undefined> =>
      stage.redis.ask((client) => {
        const key = `lc:{${waiting.id.slice(22)}}:m:${waiting.id}`;
        return client.hget(key, 'owner');
      });
    await until(async () => (await owner()) !== waiting.id.slice(22));
    running?.oracle.sent('text', 'and ended');
    running?.request.text('and ended').done();
    expect(await here.ended(running?.id ?? '')).toMatchObject({ state: 'completed' });
    // Its own clients heard it to the end, and then go on elsewhere.
    expect(await a.program.exited).toBe(0);
    await here.move(b.socketUrl);
    await serve('waits', waiting);
    for (const client of [here, there]) {
      expect(await client.ended(waiting.id)).toMatchObject({ state: 'completed' });
    }
    expect(waiting.oracle.problems()).toEqual([]);
    expect(stage.problems()).toEqual([]);
  });

  often(
    'stays where its node is told to go while its first piece is on its way: nobody could begin it anew',
    async () => {
      const [a, b, path] = await openBehindPath({ DRAIN_MS: 20_000 });
      const [here, there] = [await stage.connect(a), await stage.connect(b)];
      const { id, oracle } = await waits(here, there, 'x');
      const request = await stage.upstream.nextCall();
      // Redis forgets the request, and its node does not know that yet.
      path.stall();
      oracle.sent('text', 'begun');
      request.text('begun');
      const key = `lc:{${id.slice(22)}}:m:${id}`;
      await until(
        async () => (await stage.redis.ask((client) => client.hexists(key, 'request'))) === 0,
      );
      const gone = a.close();
      await until(async () => (await call('GET', `${a.url}/health/ready`)).status === 503);
      path.resume();
      await until(() => here.chars(id) === 'begun'.length);
      request.done();
      for (const client of [here, there]) {
        expect(await client.ended(id)).toMatchObject({ state: 'completed' });
      }
      expect(oracle.problems()).toEqual([]);
      await gone;
    },
  );

  often('is cancelled where that is asked for on its way to another node', async () => {
    stage = await openStage({
      env: { MAX_CONCURRENT: 1, NODE_LEASE_MS: 5_000, DRAIN_MS: 20_000 },
    });
    const [a, b] = await Promise.all([stage.nodeInside(), stage.node()]);
    await stage.ready();
    const here = await stage.connect(a);
    const [running] = await stage.ask(here, 1);
    const id = await here.ask(new Oracle().reader('who asked'), 'waits');
    b.program.child.kill('SIGSTOP');
    const gone = a.close();
    await until(async () => (await call('GET', `${a.url}/health/ready`)).status === 503);
    const cancelled = call('DELETE', `${a.url}/llm/generations/${id}`);
    // It is heard before the answer to what is asked after it.
    await call('GET', `${a.url}/llm/generations/${id}`);
    b.program.child.kill('SIGCONT');
    expect((await cancelled).body).toMatchObject({ state: 'cancelled' });
    running?.request.done();
    await gone;
    expect((await call('GET', `${b.url}/llm/queue`)).body).toMatchObject({ waiting: 0 });
  });

  often('ends where nobody may keep it: retryable, as nothing was said', async () => {
    const [a, b] = await open({ CLUSTER_KEEP_REQUESTS: 'false' });
    const there = await stage.connect(b);
    await stage.ask(there, 1);
    const here = await stage.connect(a);
    const { id } = await waits(here, there, 'a secret');
    const keys = (await stage.redis.ask((client) => client.keys('lc:*:m:*'))) ?? [];
    const kept = await stage.redis.ask((client) =>
      Promise.all(keys.map((key) => client.hgetall(key))),
    );
    expect(JSON.stringify(kept)).not.toContain('a secret');
    await a.program.kill();
    expect(await there.ended(id)).toMatchObject({
      state: 'interrupted',
      code: 'node_lost',
      retryable: true,
    });
  });
});
