import { Logger } from '@nestjs/common';
import { FaultProxy } from '../../test/support/fault-proxy.js';
import { describeIf } from '../../test/support/needs.js';
import { redisCluster } from '../../test/support/redis-cluster.js';
import { ENGINES, RedisServer } from '../../test/support/redis-server.js';
import { until } from '../../test/support/until.js';
import { MAX_QUESTIONS, NodeBus } from './node-bus.js';
import { MAX_OUTSTANDING, reconnectPause, RedisClient } from './redis.js';

const engine = ENGINES.find(({ program }) => program !== undefined);

describeIf(engine !== undefined, 'the connections to Redis are not tested: there is none')(
  'what a node may owe and ask',
  () => {
    let server: RedisServer;
    let redis: RedisClient;
    const open: { close(): void }[] = [];
    beforeAll(async () => {
      Logger.overrideLogger(false);
      server = await RedisServer.start(engine?.program ?? '');
    });
    beforeEach(async () => {
      redis = await connect();
    });
    afterEach(() => {
      for (const part of open.splice(0).toReversed()) part.close();
    });
    afterAll(async () => {
      await server?.close();
    });
    const connect = async (database = 0): Promise<RedisClient> => {
      const client = new RedisClient([`${server.url}/${database}`], 'test:');
      open.push(client);
      await client.connect();
      return client;
    };
    const busOf = async (node: string, on = redis): Promise<NodeBus> => {
      const bus = new NodeBus(on, node);
      open.push(bus);
      await bus.open();
      return bus;
    };

    it('is so many commands: over it a new one is refused at once, and none is lost', async () => {
      server.signal('SIGSTOP');
      const asked = Array.from({ length: MAX_OUTSTANDING }, () =>
        redis.ask((client) => client.ping()),
      );
      const settled = Promise.allSettled(asked);
      await expect(redis.ask((client) => client.ping())).rejects.toMatchObject({
        code: 'store_unavailable',
      });
      server.signal('SIGCONT');
      expect((await settled).length).toBe(MAX_OUTSTANDING);
      expect(await redis.ask((client) => client.ping())).toBe('PONG');
    });

    it('is a message of a certain size: a larger one is refused, and the next one goes', async () => {
      const [one, other] = [await busOf('node-one'), await busOf('node-two')];
      other.on('length', (message) => String(message).length);
      const large = 'x'.repeat(32 * 1024 * 1024);
      await expect(one.ask('node-two', 'length', large)).rejects.toMatchObject({
        code: 'payload_too_large',
      });
      expect(await one.ask('node-two', 'length', 'abc')).toBe(3);
    });

    it('is so many questions: over it a new one is refused at once, and later ones are not', async () => {
      const [one, other] = [await busOf('node-one'), await busOf('node-two', await connect())];
      other.on('same', (message) => message);
      const asked = Array.from({ length: MAX_QUESTIONS }, (_, at) =>
        one.ask('node-two', 'same', at),
      );
      await expect(one.ask('node-two', 'same', -1)).rejects.toMatchObject({
        code: 'store_unavailable',
        message: 'Too many questions wait for other nodes; try again in a moment.',
      });
      // On a busy machine some answers come too late, and the connection is made anew; none stays
      // without one.
      await Promise.allSettled(asked);
      const next = (): Promise<unknown> => one.ask('node-two', 'same', 'next');
      await until(async () => (await next().catch(() => undefined)) === 'next');
    });

    it('goes to the new primary where that one is behind the same address by now', async () => {
      const [before, after] = await Promise.all([
        RedisServer.start(engine?.program ?? ''),
        RedisServer.start(engine?.program ?? ''),
      ]);
      const address = await FaultProxy.start(before.port);
      try {
        const moving = new RedisClient([`redis://127.0.0.1:${address.port}`], 'test:');
        open.push(moving);
        await moving.connect();
        const bus = await busOf('node-one', moving);
        bus.on('same', (message) => message);
        await moving.ask((client) => client.set('written', 'before'));
        await after.follow(before);
        // A failover: whoever was connected stays so, to what is a replica now.
        await after.ask((client) => client.call('REPLICAOF', 'NO', 'ONE'));
        await before.follow(after);
        address.target = { host: '127.0.0.1', port: after.port };
        const write = (): Promise<unknown> =>
          moving.ask((client) => client.set('written', 'after'));
        await until(async () => (await write().catch(() => undefined)) === 'OK');
        expect(await after.ask((client) => client.get('written'))).toBe('after');
        // A node is heard there too: who asks it is not told that it is gone.
        const asked = (): Promise<unknown> => bus.ask('node-one', 'same', 1);
        await until(async () => (await asked().catch(() => undefined)) === 1);
      } finally {
        await address.close();
        await Promise.all([before.close(), after.close()]);
      }
    });

    it('has the credentials of its URL for each server of a Redis Cluster, also for those that it does not name', async () => {
      const masters = await redisCluster(engine?.program ?? '', 2);
      try {
        for (const master of masters) {
          await master.ask((client) =>
            client.acl('SETUSER', 'app', 'on', '>p@ss', '~*', '&*', '+@all'),
          );
          await master.ask((client) => client.config('SET', 'requirepass', 'of another user'));
        }
        // By a name, as operators write it; the servers tell of each other by their addresses.
        const url = `redis://app:p%40ss@localhost:${masters[0]?.port}`;
        const cluster = new RedisClient([url, url], 'test:');
        open.push(cluster);
        await cluster.connect();
        const heard: string[] = [];
        for (const tag of ['a', 'b', 'c', 'd']) {
          expect(await cluster.ask((client) => client.set(`test:{${tag}}`, tag))).toBe('OK');
          await cluster.subscribe(`{${tag}}`, (text) => heard.push(text), true);
          await cluster.ask((client) => client.spublish(`test:{${tag}}`, tag));
        }
        await until(() => heard.length === 4);
        const bus = await busOf('node-one', cluster);
        bus.on('same', (message) => message);
        expect(await bus.ask('node-one', 'same', 1)).toBe(1);
      } finally {
        for (const master of masters) await master.close();
      }
    });

    it('is answered with what the other node refused, and with node_lost where there is none', async () => {
      const [one, other] = [await busOf('node-one'), await busOf('node-two')];
      other.on('fail', () => {
        throw new Error('a fault of its own');
      });
      await expect(one.ask('node-two', 'fail', null)).rejects.toMatchObject({ code: 'internal' });
      await expect(one.ask('node-two', 'unknown', null)).rejects.toMatchObject({
        code: 'internal',
      });
      await expect(one.ask('node-off', 'fail', null)).rejects.toMatchObject({ code: 'node_lost' });
    });
  },
);

describe('the pauses between two attempts to connect', () => {
  it('are spread over half of their time, so that not all nodes come back at once', () => {
    for (const [attempt, longest] of [100, 200, 300, 300].entries()) {
      const pauses = Array.from({ length: 200 }, () => reconnectPause(attempt + 1));
      expect(Math.min(...pauses)).toBeGreaterThanOrEqual(longest / 2);
      expect(Math.max(...pauses)).toBeLessThanOrEqual(longest);
      const tenths = new Set(pauses.map((pause) => Math.floor((pause / longest) * 20)));
      expect(tenths.size).toBe(10);
    }
  });
});
