import { randomUUID } from 'node:crypto';
import { knownPrefixesContract } from '../../test/support/known-prefixes-contract.js';
import { describeIf } from '../../test/support/needs.js';
import { redisClients } from '../../test/support/redis-clients.js';
import { ENGINES } from '../../test/support/redis-server.js';
import { upstreamOf } from '../../test/support/waiter.js';
import { RedisKnownPrefixes } from './redis-known-prefixes.js';
import type { RedisClient } from './redis.js';

for (const { name, program, missing } of ENGINES) {
  describeIf(program !== undefined, missing)(`known prefixes on ${name}`, () => {
    const connect = redisClients(program ?? '');
    let shared: Promise<RedisClient> | undefined;

    knownPrefixesContract(
      `RedisKnownPrefixes on ${name}`,
      async (upstreams, most, forMs) => {
        const client = await (shared ??= connect('contract:'));
        await client.ask((redis) => redis.flushall());
        return new RedisKnownPrefixes(client, upstreams, most, forMs);
      },
      40,
    );

    it('knows on one node what another one has learned, and takes no memory for ever', async () => {
      const upstreams = [upstreamOf('a', 1), upstreamOf('b', 1)];
      const prefix = `${randomUUID()}:`;
      const [here, there] = [await connect(prefix), await connect(prefix)];
      new RedisKnownPrefixes(here, upstreams).remember(upstreams[1]!, ['1', '2']);
      await here.ask((redis) => redis.ping());
      const found = await new RedisKnownPrefixes(there, upstreams).longest(['1', '2', '3']);
      expect([...found]).toEqual([[upstreams[1], 1]]);
      const left = await there.ask((redis) => redis.pttl(`${prefix}{known}:b`));
      expect(left).toBeGreaterThan(0);
    });

    it('knows nothing where Redis is away, and says no error', async () => {
      const upstreams = [upstreamOf('a', 1)];
      const client = await connect('away:');
      const known = new RedisKnownPrefixes(client, upstreams);
      client.close();
      known.remember(upstreams[0]!, ['1']);
      expect(await known.longest(['1'])).toEqual(new Map());
    });
  });
}
