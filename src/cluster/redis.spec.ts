import { Logger } from '@nestjs/common';
import { describeIf } from '../../test/support/needs.js';
import { ENGINES, RedisServer } from '../../test/support/redis-server.js';
import { NodeBus } from './node-bus.js';
import { MAX_OUTSTANDING, RedisClient } from './redis.js';

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
      redis = new RedisClient([server.url], 'test:');
      open.push(redis);
      await redis.connect();
    });
    afterEach(() => {
      for (const part of open.splice(0).toReversed()) part.close();
    });
    afterAll(async () => {
      await server?.close();
    });
    const busOf = async (node: string): Promise<NodeBus> => {
      const bus = new NodeBus(redis, node);
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
