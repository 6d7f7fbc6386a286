import { setTimeout as sleep } from 'node:timers/promises';
import { LEASE_MS } from './support/cluster-stage.js';
import { FaultProxy } from './support/fault-proxy.js';
import { expectLost, expectWhole, faultSuite, readOnBoth } from './support/fault-suite.js';
import { RedisServer } from './support/redis-server.js';
import { call } from './support/rest.js';
import { until } from './support/until.js';

faultSuite('a Redis that fails', ({ often, stage: open, running, doomed, closeLater, program }) => {
  for (const [how, options] of [
    ['empty', []],
    ['with its append-only file', ['--appendonly', 'yes']],
  ] as const) {
    often(`goes on where Redis is killed and comes back ${how}`, async () => {
      const all = await running({ redis: [...options] });
      await all.stage.redis.kill();
      await all.stage.untilWritten(200);
      expect(
        await call('POST', `${all.a.url}/llm/generate`, { prompt: 'x', onDisconnect: 'keep' }),
      ).toMatchObject({ status: 503, body: { code: 'store_unavailable', retryable: true } });
      await until(
        async () => (await call('GET', `${all.a.url}/health/ready`)).body.status === 'no_store',
      );
      await all.stage.redis.up();
      await all.stage.untilWritten(100);
      await expectWhole(all);
      await until(async () => (await call('GET', `${all.a.url}/health/ready`)).status === 200);
    });
  }

  often('names the owner that died while Redis was away', async () => {
    const { stage, a, b, here, there, all } = await doomed({ redis: ['--appendonly', 'yes'] });
    await stage.redis.kill();
    await a.program.kill();
    await sleep(LEASE_MS);
    expect(all.every(({ id }) => there.terminal(id) === undefined)).toBe(true);
    await stage.redis.up();
    await expectLost(there, all);
    await here.move(b.socketUrl);
    await expectLost(here, all);
    expect(stage.problems()).toEqual([]);
  });

  often('goes on where Redis stalls', async () => {
    const all = await running();
    all.stage.redis.signal('SIGSTOP');
    await all.stage.untilWritten(400);
    all.stage.redis.signal('SIGCONT');
    await expectWhole(all);
  });

  often('goes on where Redis is full', async () => {
    const all = await running();
    await all.stage.redis.ask((client) => client.config('SET', 'maxmemory', '1'));
    await all.stage.untilWritten(200);
    const asked = { prompt: 'x', onDisconnect: 'keep' };
    expect(await call('POST', `${all.a.url}/llm/generate`, asked)).toMatchObject({
      status: 503,
      body: { code: 'store_unavailable' },
    });
    // Nobody is taken for dead.
    expect(all.all.every(({ id }) => all.there.terminal(id) === undefined)).toBe(true);
    await all.stage.redis.ask((client) => client.config('SET', 'maxmemory', '0'));
    await expectWhole(all);
  });

  often('goes on where all connections are cut again and again', async () => {
    const all = await running();
    for (let times = 0; times < 15; times++) {
      await all.stage.redis.ask((client) =>
        client.call('CLIENT', 'KILL', 'TYPE', times % 2 ? 'pubsub' : 'normal'),
      );
      await sleep(100);
    }
    await expectWhole(all);
  });

  often('has what was taken over in a replica before it is told', async () => {
    const { stage, a, there, all } = await doomed({}, 2);
    const replica = closeLater(await RedisServer.start(program));
    await replica.follow(stage.redis);
    await a.program.kill();
    await expectLost(there, all);
    const waited = await stage.redis.ask((client) => client.info('commandstats'));
    expect(waited).toMatch(/^cmdstat_wait:calls=[1-9]/m);
    for (const { id } of all) {
      const key = `lc:{${id.slice(22)}}:m:${id}`;
      const kept = await replica.ask((client) => client.hmget(key, 'epoch', 'end'));
      expect(kept).toEqual(['2', 'interrupted']);
    }
  });

  often('goes on after a failover that has lost the last second', async () => {
    const stage = await open();
    const replica = closeLater(await RedisServer.start(program, '--replica-read-only', 'no'));
    const path = closeLater(await FaultProxy.start(stage.redis.port));
    const over = { REDIS_URL: `redis://127.0.0.1:${path.port}` };
    const [a, b] = await Promise.all([stage.nodeInside(over), stage.nodeInside(over)]);
    await stage.ready();
    await replica.follow(stage.redis);
    const all = await readOnBoth(stage, a, b);
    // From here on the replica hears nothing, and then it is the one that is asked.
    await replica.ask((client) => client.call('REPLICAOF', 'NO', 'ONE'));
    await stage.untilWritten(150);
    path.target = { host: '127.0.0.1', port: replica.port };
    path.cut();
    await stage.untilWritten(150);
    await expectWhole(all);
  });
});
