import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import {
  endIn,
  generationStoreContract,
  lifeIn,
  MAX_LOG_BYTES,
  RETAIN_MS,
} from '../../test/support/generation-store-contract.js';
import { describeIf } from '../../test/support/needs.js';
import { ENGINES, RedisServer } from '../../test/support/redis-server.js';
import { until } from '../../test/support/until.js';
import { loadConfig } from '../config/load.js';
import { type Life, Lifecycle } from '../generations/lifecycle.js';
import { MemoryStore } from '../generations/store/memory-store.js';
import type { CastError } from '../protocol/errors.js';
import { Copies, MAX_COPIES } from './copies.js';
import { Keeper } from './keeper.js';
import { hashOf, newNodeId, streamOf } from './keys.js';
import { NodeBus } from './node-bus.js';
import { RedisClient } from './redis.js';
import { RedisStore } from './redis-store.js';
import { RefusedStarts } from './refused-starts.js';

for (const { name, program, missing } of ENGINES) {
  describeIf(program !== undefined, missing)(`the store on ${name}`, () => {
    let server: RedisServer;
    const open: { close(): void }[] = [];
    beforeAll(async () => {
      Logger.overrideLogger(false);
      server = await RedisServer.start(program ?? '');
    });
    afterEach(() => {
      for (const part of open.splice(0)) part.close();
    });
    afterAll(async () => {
      await server?.close();
    });

    /** What of a node is behind its store. */
    const storeOf = async (prefix: string): Promise<RedisStore> => {
      const config = loadConfig({
        RETAIN_MS: String(RETAIN_MS),
        MAX_LOG_BYTES: String(MAX_LOG_BYTES),
      });
      const redis = new RedisClient([server.url], prefix);
      await redis.connect();
      const node = newNodeId();
      const bus = new NodeBus(redis, node);
      await bus.open();
      const local = new MemoryStore(config);
      const refused = new RefusedStarts(redis, node);
      const keeper = new Keeper(redis, node, config, new Lifecycle(), refused);
      bus.on('follow', (message) => {
        const { node: from, ids } = message as { node: string; ids: [string, boolean][] };
        return keeper.follow(from, ids);
      });
      const grow = (bytes: number): void => local.grow(bytes);
      const copies = new Copies(redis, bus, node, config, grow, new Lifecycle());
      open.push(keeper, copies, bus, redis);
      // A copy that nobody reads goes after some beats.
      const beat = setInterval(() => void copies.beat(() => true), RETAIN_MS / 4);
      open.unshift({ close: () => clearInterval(beat) });
      return new RedisStore(local, redis, node, keeper, copies, refused, config);
    };

    it('counts what a copy takes, and makes so many at most', async () => {
      const prefix = `${randomUUID()}:`;
      const store = await storeOf(prefix);
      const idOf = (at: number): string => `${String(at).padStart(22, 'x')}elsewher`;
      const text = ['text', 1, [5], 'hello', ''];
      const end = { type: 'end', state: 'cancelled', reason: 'client', bytes: 5, sha256: '' };
      const batch = JSON.stringify([text, ['z', 2, 2, end, [null, null, 1]]]);
      await server.ask(async (client) => {
        const [hash, stream] = ['m', 's'].map((kind) => `${prefix}{elsewher}:${kind}:${idOf(0)}`);
        await client.hset(hash!, { v: '1', epoch: '1', seq: '2', end: 'cancelled' });
        await client.xadd(stream!, '1-2', 'd', batch);
      });
      expect(store.memory.bytes).toBe(0);
      expect((await store.find(idOf(0))).log.all('text')).toBe('hello');
      expect(store.memory.bytes).toBeGreaterThan(0);
      // Those that are on their way count.
      server.signal('SIGSTOP');
      let over = 0;
      const some = Array.from({ length: MAX_COPIES - 1 }, async (_, at) => {
        await store.find(idOf(at + 1));
      }).map((one) => one.catch(() => over++));
      await expect(store.find(idOf(MAX_COPIES))).rejects.toMatchObject({
        code: 'store_unavailable',
      });
      expect(over).toBe(0);
      server.signal('SIGCONT');
      await Promise.all(some);
      expect(over).toBe(MAX_COPIES - 1);
      const found = async (): Promise<unknown> => store.find(idOf(MAX_COPIES));
      // It may still be busy with all of them.
      await until(async () => {
        const code = await found().catch((error: CastError) => error.code);
        return code === 'generation_not_found';
      });
    });

    const claim = { key: 'k', user: 'ann', asked: { prompt: 'x' } };
    /** The name of the one key that is in Redis. */
    const keyIn = async (prefix: string): Promise<string> =>
      (await server.ask((client) => client.keys(`${prefix}k:*`)))?.[0] ?? '';
    const begun = async (store: RedisStore): Promise<Life> => {
      const id = store.newId();
      expect(await store.claim(claim, id)).toBe(id);
      const life = lifeIn(store, undefined, id);
      await store.add(life);
      return life;
    };

    const chat = { name: 'chat', user: 'ann' };

    it('a start that Redis does not keep takes no name from the one that has it', async () => {
      const prefix = `${randomUUID()}:`;
      const [store, elsewhere] = [await storeOf(prefix), await storeOf(prefix)];
      const [first, failed] = [lifeIn(store), lifeIn(store)];
      await store.add(first, chat);
      // Something of another kind stands where its hash is to be.
      await server.ask((client) => client.set(`${prefix}${hashOf(failed.generation.id)}`, 'x'));
      await expect(store.add(failed, chat)).rejects.toMatchObject({ code: 'store_unavailable' });
      expect(await elsewhere.named(chat)).toBe(first.generation.id);
    });

    it('a start that gets no name is taken back', async () => {
      const prefix = `${randomUUID()}:`;
      const [store, elsewhere] = [await storeOf(prefix), await storeOf(prefix)];
      const life = lifeIn(store);
      const hash = `${prefix}${hashOf(life.generation.id)}`;
      // Names have no hash tag: they may not be written.
      await server.ask((client) => client.acl('SETUSER', 'default', 'resetkeys', '~*{*', '%R~*'));
      await expect(store.add(life, chat)).rejects.toMatchObject({ code: 'store_unavailable' });
      await server.ask((client) => client.acl('SETUSER', 'default', 'allkeys'));
      await until(async () => {
        store.beat();
        return (await server.ask((client) => client.exists(hash))) === 0;
      });
      expect(store.behind).toBe(0);
      await expect(elsewhere.named(chat)).rejects.toMatchObject({ code: 'generation_not_found' });
    });

    it('an end changes nothing of a key that stands for another generation by now', async () => {
      const prefix = `${randomUUID()}:`;
      const [store, elsewhere] = [await storeOf(prefix), await storeOf(prefix)];
      const first = await begun(store);
      const key = await keyIn(prefix);
      // Redis has lost it, and it was asked again.
      await server.ask((client) => client.del(key));
      const second = await begun(elsewhere);
      endIn(store, first);
      await sleep(2 * RETAIN_MS);
      expect(await elsewhere.keyed(claim)).toBe(second.generation.id);
    });

    it('lets one begin where Redis has lost the generation of a key, however many ask', async () => {
      const prefix = `${randomUUID()}:`;
      const [store, elsewhere] = [await storeOf(prefix), await storeOf(prefix)];
      const dead = await storeOf(prefix);
      await dead.claim(claim, dead.newId());
      const key = await keyIn(prefix);
      await server.ask((client) => client.pexpire(key, 600_000));
      const claims = Array.from({ length: 8 }, async (_, at) => {
        const from = at % 2 === 0 ? store : elsewhere;
        const id = from.newId();
        return (await from.claim(claim, id).catch(() => undefined)) === id;
      });
      expect((await Promise.all(claims)).filter((isMine) => isMine)).toHaveLength(1);
    });

    it('does not find what has ended where Redis has forgotten what was said', async () => {
      const prefix = `${randomUUID()}:`;
      const [store, elsewhere] = [await storeOf(prefix), await storeOf(prefix)];
      const life = lifeIn(store);
      await store.add(life);
      endIn(store, life);
      const there = (): Promise<unknown> => server.ask((client) => client.hget(hash, 'end'));
      const hash = `${prefix}${hashOf(life.generation.id)}`;
      await until(async () => (await there()) === 'cancelled');
      await server.ask((client) => client.del(`${prefix}${streamOf(life.generation.id)}`));
      await expect(elsewhere.find(life.generation.id)).rejects.toMatchObject({
        code: 'generation_not_found',
      });
    });

    generationStoreContract(`RedisStore on ${name}`, async () => {
      const prefix = `${randomUUID()}:`;
      return { store: await storeOf(prefix), elsewhere: await storeOf(prefix) };
    });
  });
}
