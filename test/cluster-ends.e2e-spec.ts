import { setTimeout as sleep } from 'node:timers/promises';
import { hashOf } from '../src/cluster/keys.js';
import type {
  ClusterNode,
  ClusterServer,
  ClusterStage,
  Env,
  RunningAnswer,
} from './support/cluster-stage.js';
import { FaultProxy } from './support/fault-proxy.js';
import {
  expectLost,
  expectWhole,
  faultSuite,
  readOnBoth,
  type Running,
} from './support/fault-suite.js';
import { Oracle } from './support/oracle.js';
import type { OracleClient } from './support/oracle-client.js';
import { RedisServer } from './support/redis-server.js';
import { call } from './support/rest.js';
import { until } from './support/until.js';

/** Longer than a node takes to tell what it may tell, in milliseconds. */
const LONG_MS = 700;
/** As long as a failover of Redis may take, in milliseconds. */
const FAILOVER_MS = 6_000;
const GENERATIONS = 2;

faultSuite('the end of an answer', ({ often, stage: openStage, closeLater, program }) => {
  let stage: ClusterStage;
  let path: FaultProxy;

  /** A path to Redis that can be cut, for the nodes that are started with what this returns. */
  const open = async (env: Env, redis: readonly string[] = []): Promise<Env> => {
    stage = await openStage({ env, redis });
    path = closeLater(await FaultProxy.start(stage.redis.port));
    return { REDIS_URL: `redis://127.0.0.1:${path.port}` };
  };
  /** Two nodes that stay, one of which is behind the path, with answers of the first. */
  const running = async (
    behindPath: 'a' | 'b',
    env: Env = {},
    redis: readonly string[] = [],
  ): Promise<Running> => {
    const over = await open(env, redis);
    const a = await stage.nodeInside(behindPath === 'a' ? over : {});
    const b = await stage.nodeInside(behindPath === 'b' ? over : {});
    await stage.ready();
    return readOnBoth(stage, a, b, GENERATIONS);
  };
  /** One node behind the path that can be killed, and one that stays. */
  const nodes = async (env: Env = {}): Promise<[ClusterServer, ClusterNode]> => {
    const over = await open(env);
    const both = await Promise.all([stage.node(over), stage.nodeInside()]);
    await stage.ready();
    return both;
  };
  const doomed = async (env: Env = {}): Promise<Running<ClusterServer>> => {
    const [a, b] = await nodes(env);
    return readOnBoth(stage, a, b, GENERATIONS);
  };
  const cut = (): void => {
    path.refusing = true;
    path.cut();
  };
  const heal = (): void => {
    path.refusing = false;
  };
  /** All that the upstreams have sent is read. */
  const readAll = (client: OracleClient, all: readonly RunningAnswer[]): Promise<void> =>
    until(() => all.every(({ id, chars }) => client.chars(id) === chars));
  const expectNoEnd = async (client: OracleClient, all: readonly RunningAnswer[]) => {
    await sleep(LONG_MS);
    expect(all.map(({ id }) => client.terminal(id))).toEqual(all.map(() => undefined));
  };
  /** Both nodes say the same of how it ended. */
  const expectSame = async (all: readonly RunningAnswer[], ...on: ClusterNode[]) => {
    for (const { id } of all) {
      const [one, other] = await Promise.all(
        on.map(async ({ url }) => {
          const { body } = await call('GET', `${url}/llm/generations/${id}`);
          const { state, code, seq, bytes, sha256 } = body;
          return { state, code, seq, bytes, sha256 };
        }),
      );
      expect(other).toEqual(one);
    }
  };

  often('is told nobody where its node dies before Redis has it', async () => {
    const { a, b, here, there, all } = await doomed();
    cut();
    stage.finish(all);
    await readAll(here, all);
    await expectNoEnd(here, all);
    await a.program.kill();
    await expectLost(there, all);
    await here.move(b.socketUrl);
    await expectLost(here, all);
    expect(stage.problems()).toEqual([]);
  });

  often('is that of the other node where its own was taken for dead meanwhile', async () => {
    const { a, b, here, there, all } = await running('a');
    cut();
    stage.finish(all);
    await expectLost(there, all);
    await expectNoEnd(here, all);
    heal();
    await expectLost(here, all);
    expect(stage.problems()).toEqual([]);
    await expectSame(all, a, b);
  });

  often('is told when Redis is back, also to those who read along', async () => {
    const on = await running('a', {}, ['--appendonly', 'yes']);
    await stage.redis.kill();
    stage.finish(on.all);
    await readAll(on.here, on.all);
    await expectNoEnd(on.here, on.all);
    await stage.redis.up();
    await expectWhole(on);
  });

  often('is told where Redis is away for longer than a failover, and later to all', async () => {
    const on = await running('a', { NODE_LEASE_MS: 1_000 }, ['--appendonly', 'yes']);
    await stage.redis.kill();
    stage.finish(on.all);
    await readAll(on.here, on.all);
    await sleep(FAILOVER_MS);
    await expectNoEnd(on.here, on.all);
    for (const { id } of on.all) {
      expect(await on.here.ended(id)).toMatchObject({ state: 'completed' });
      expect(on.there.terminal(id)).toBeUndefined();
    }
    await stage.redis.up();
    await expectWhole(on);
  });

  for (const [how, isDenied] of [
    ['though nobody asks for it', false],
    ['though that fails at first', true],
  ] as const) {
    often(`is written again where Redis had it and lost it, ${how}`, async () => {
      const [a, b] = await nodes();
      const here = await stage.connect(a);
      const all = (await stage.ask(here, 2)) as [RunningAnswer, RunningAnswer];
      // One is lost with all since its first piece, and one with all since its last piece but a few.
      const [whole, last] = all;
      stage.write(last);
      await until(() => here.chars(last.id) >= 20);
      await stage.redis.ask((client) => client.save());
      stage.write(whole);
      await stage.untilWritten(20);
      stage.finish(all);
      await readAll(here, all);
      for (const { id } of all) expect(await here.ended(id)).toMatchObject({ state: 'completed' });
      if (isDenied) cut();
      await stage.redis.kill();
      await stage.redis.up();
      const { redis } = stage;
      if (isDenied) {
        await redis.ask((client) => client.call('ACL', 'SETUSER', 'default', '-hmget'));
        heal();
        await redis.until(async (client) =>
          JSON.stringify(await client.call('ACL', 'LOG')).includes('hmget'),
        );
        await redis.ask((client) => client.call('ACL', 'SETUSER', 'default', '+hmget'));
      }
      await redis.until(async (client) => {
        const ends = await Promise.all(all.map(({ id }) => client.hget(`lc:${hashOf(id)}`, 'end')));
        return !ends.includes(null);
      });
      // The other node is connected again, too.
      const url = `${b.url}/llm/generations/${last.id}`;
      await until(async () => (await call('GET', url)).status === 200);
      await a.program.kill();
      const there = await stage.connect(b);
      for (const { id, oracle } of all) {
        await there.read(id, oracle.reader('who came later'));
        expect(await there.ended(id)).toMatchObject({ state: 'completed' });
      }
      expect(stage.problems()).toEqual([]);
      expect(stage.upstream.calls).toHaveLength(2);
    });
  }

  often('is still the same where its node goes, and Redis loses its last second then', async () => {
    const [a, b] = await nodes();
    const here = await stage.connect(a);
    const all = await stage.ask(here, GENERATIONS);
    for (const answer of all) stage.write(answer);
    await stage.untilWritten(20);
    await stage.redis.ask((client) => client.config('SET', 'appendonly', 'yes'));
    a.program.child.kill('SIGTERM');
    // Without its log of commands it comes back as it is now.
    await stage.redis.ask((client) => client.save());
    stage.finish(all);
    for (const { id } of all) expect(await here.ended(id)).toMatchObject({ state: 'completed' });
    await stage.redis.kill();
    await stage.redis.up();
    await a.program.exited;
    const there = await stage.connect(b);
    for (const { id, oracle } of all) {
      await there.read(id, oracle.reader('who came later'));
      expect(await there.ended(id)).toMatchObject({ state: 'completed' });
    }
    expect(stage.problems()).toEqual([]);
  });

  often('is not told twice where Redis had it and did not say so', async () => {
    // It is not to be taken for dead meanwhile, however long the machine takes for it.
    const on = await running('a', { NODE_LEASE_MS: 30_000 });
    // Nothing but the end is on its way: it would wait for the answer to what was written before it.
    stage.rest(on.all);
    await readAll(on.there, on.all);
    await sleep(LONG_MS);
    path.stall();
    stage.finish(on.all);
    for (const { id } of on.all) {
      expect(await on.there.ended(id)).toMatchObject({ state: 'completed' });
    }
    path.cut();
    path.resume();
    await expectWhole(on);
  });

  often('is told nobody by a node that goes while it cannot reach Redis', async () => {
    const { a, b, here, there, all } = await doomed({ DRAIN_MS: 300 });
    cut();
    a.program.child.kill('SIGTERM');
    await a.program.exited;
    expect(all.map(({ id }) => here.terminal(id))).toEqual(all.map(() => undefined));
    await expectLost(there, all);
    await here.move(b.socketUrl);
    await expectLost(here, all);
    expect(stage.problems()).toEqual([]);
  });

  often('comes of one beginning: nothing is shown before Redis forgets the request', async () => {
    const [a, b] = await nodes();
    const [here, there] = [await stage.connect(a), await stage.connect(b)];
    const oracle = new Oracle();
    const id = await here.ask(oracle.reader('who asked'), 'x');
    await there.read(id, oracle.reader('who joined'));
    const first = await stage.upstream.nextCall();
    cut();
    first.text('of the first');
    // Longer than one command may take.
    await sleep(1_000 + LONG_MS);
    expect(here.chars(id)).toBe(0);
    await a.program.kill();
    const second = await stage.upstream.nextCall();
    await here.move(b.socketUrl);
    oracle.sent('text', 'of the second');
    second.text('of the second').done();
    for (const client of [here, there]) {
      expect(await client.ended(id)).toMatchObject({ state: 'completed' });
    }
    expect(oracle.problems()).toEqual([]);
  });

  often('is one where Redis comes back empty while the owner stands still', async () => {
    const { a, b, here, there, all } = await doomed();
    a.program.child.kill('SIGSTOP');
    await stage.redis.kill();
    await stage.redis.up();
    await expectLost(there, all);
    a.program.child.kill('SIGCONT');
    await expectLost(here, all);
    expect(stage.problems()).toEqual([]);
    await expectSame(all, a, b);
  });

  often('is written again where Redis has lost it before all have heard it', async () => {
    const on = await running('b');
    cut();
    stage.finish(on.all);
    for (const { id } of on.all) {
      expect(await on.here.ended(id)).toMatchObject({ state: 'completed' });
    }
    await stage.redis.kill();
    await stage.redis.up();
    heal();
    await expectWhole(on);
  });

  often('is written again where a failover has lost it', async () => {
    const over = await open({});
    const late = closeLater(await FaultProxy.start(stage.redis.port));
    const [a, b, c] = await Promise.all([
      stage.nodeInside(over),
      stage.nodeInside(over),
      stage.nodeInside({ REDIS_URL: `redis://127.0.0.1:${late.port}` }),
    ]);
    const replica = closeLater(await RedisServer.start(program, '--replica-read-only', 'no'));
    await replica.follow(stage.redis);
    await stage.ready();
    const on = await readOnBoth(stage, a, c, GENERATIONS);
    // From here on the replica and a node that reads along hear nothing.
    await replica.ask((client) => client.call('REPLICAOF', 'NO', 'ONE'));
    late.refusing = true;
    late.cut();
    stage.finish(on.all);
    for (const { id } of on.all) {
      expect(await on.here.ended(id)).toMatchObject({ state: 'completed' });
    }
    for (const proxy of [path, late]) {
      proxy.target = { host: '127.0.0.1', port: replica.port };
      proxy.refusing = false;
      proxy.cut();
    }
    await expectWhole(on);
    await expectSame(on.all, b, c);
  });
});
