import { describeIf } from '../../test/support/needs.js';
import { redisClients } from '../../test/support/redis-clients.js';
import { ENGINES } from '../../test/support/redis-server.js';
import { slotKeeperContract } from '../../test/support/slot-keeper-contract.js';
import { upstreamOf, Waiter } from '../../test/support/waiter.js';
import type { RedisClient } from './redis.js';
import { RedisLine } from './redis-line.js';

const NO_LIMITS = { maxQueue: 1000, maxConcurrentPerUser: 0, maxQueuePerUser: 0 };

for (const { name, program, missing } of ENGINES) {
  describeIf(program !== undefined, missing)(`the line on ${name}`, () => {
    const connect = redisClients(program ?? '');
    let shared: Promise<RedisClient> | undefined;
    /** The line of a new cluster opens at once where a beat takes no time. */
    const lineOf = async (
      client: RedisClient,
      upstreams: ConstructorParameters<typeof RedisLine>[1],
      limits = NO_LIMITS,
      node = 'node-one',
    ): Promise<RedisLine> => {
      const line = new RedisLine(client, upstreams, limits, node, 0);
      await line.beat();
      return line;
    };

    slotKeeperContract(
      `RedisLine on ${name}`,
      async (upstreams, limits) => {
        const client = await (shared ??= connect());
        const keys = await client.ask((redis) => redis.keys(`${client.prefix}*`));
        if (keys.length > 0) await client.ask((redis) => redis.del(...keys));
        const line = await lineOf(client, upstreams, limits);
        return { keeper: line, settle: () => line.beat(), close: () => undefined };
      },
      40,
    );

    it('gives the slots of a dead node to the others', async () => {
      const one = upstreamOf('one', 2);
      const client = await connect();
      const [dies, lives] = [
        await lineOf(client, [one], NO_LIMITS, 'node-dies'),
        await lineOf(client, [one], NO_LIMITS, 'node-live'),
      ];
      for (let at = 0; at < 3; at++) await dies.enter(new Waiter('a', [one]));
      const waiters = [new Waiter('b', [one]), new Waiter('c', [one])];
      for (const waiter of waiters) await lives.enter(waiter);
      expect(waiters.map(({ starts }) => starts)).toEqual([0, 0]);
      await lives.drop('node-dies');
      expect(waiters.map(({ starts }) => starts)).toEqual([1, 1]);
      expect(await lives.view()).toMatchObject({ waiting: 0, upstreams: [{ running: 2 }] });
    });

    it('starts by the next beat whose message was lost', async () => {
      const one = upstreamOf('one', 1);
      const client = await connect();
      const [a, b] = [
        await lineOf(client, [one], NO_LIMITS, 'node-aaaa'),
        await lineOf(client, [one], NO_LIMITS, 'node-bbbb'),
      ];
      const [first, second] = [new Waiter('a', [one]), new Waiter('b', [one])];
      await a.enter(first);
      await b.enter(second);
      // Nobody hears the channel of b.
      await a.release(first);
      expect(second.starts).toBe(0);
      await b.beat();
      expect(second.starts).toBe(1);
    });

    it('hears on the channel of its node what another node gave it', async () => {
      const one = upstreamOf('one', 1);
      const client = await connect();
      const [a, b] = [
        await lineOf(client, [one], NO_LIMITS, 'node-aaaa'),
        await lineOf(client, [one], NO_LIMITS, 'node-bbbb'),
      ];
      const heard = new Promise<string>((resolve) => {
        void client.subscribe('bus:node-bbbb', resolve);
      });
      const [first, second] = [new Waiter('a', [one]), new Waiter('b', [one])];
      await a.enter(first);
      await b.enter(second);
      await a.release(first);
      const { op, id, up } = JSON.parse(await heard) as { op: string; id: string; up: string };
      expect(op).toBe('slot');
      b.started(id, up);
      expect(second.startedAt).toBe(one);
    });

    it('has the same slots taken and the same places after Redis has lost everything', async () => {
      const one = upstreamOf('one', 2);
      const client = await connect();
      const started: Waiter[] = [];
      const line = await lineOf(client, [one]);
      const waiters = ['a', 'a', 'a', 'b', 'a', 'c'].map(
        (user) => new Waiter(user, [one], (waiter) => started.push(waiter)),
      );
      for (const waiter of waiters) await line.enter(waiter);
      await client.ask((redis) => redis.flushall());
      await line.beat();
      await line.beat();
      expect(await line.view()).toMatchObject({
        waiting: 4,
        upstreams: [{ running: 2, waiting: 4 }],
      });
      for (let at = 0; at < waiters.length; at++) {
        await line.release(started[at] as Waiter);
        await line.beat();
      }
      expect(started.map(({ user }) => user)).toEqual(['a', 'a', 'b', 'c', 'a', 'a']);
    });

    it('gives no slot of a line that is new before the nodes could tell what they hold', async () => {
      const one = upstreamOf('one', 1);
      const client = await connect();
      const line = new RedisLine(client, [one], NO_LIMITS, 'node-slow', 200);
      await line.beat();
      const waiter = new Waiter('a', [one]);
      expect(await line.enter(waiter)).toBe(1);
      const begun = performance.now();
      while (waiter.starts === 0) await line.beat();
      // Redis' clock counts whole milliseconds.
      expect(performance.now() - begun).toBeGreaterThan(500);
    });

    it('takes back what was given to a request that Redis heard and this node gave up', async () => {
      const one = upstreamOf('one', 1);
      const client = await connect();
      const [a, b] = [
        await lineOf(client, [one], NO_LIMITS, 'node-aaaa'),
        await lineOf(client, [one], NO_LIMITS, 'node-bbbb'),
      ];
      const given = new Waiter('a', [one]);
      await a.enter(given);
      // The same node anew, as after an answer that never came.
      const again = new RedisLine(client, [one], NO_LIMITS, 'node-aaaa', 0);
      const waiter = new Waiter('b', [one]);
      await b.enter(waiter);
      await again.beat();
      await b.beat();
      expect(waiter.starts).toBe(1);
    });
  });
}
