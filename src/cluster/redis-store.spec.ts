import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import {
  generationStoreContract,
  MAX_LOG_BYTES,
  RETAIN_MS,
} from '../../test/support/generation-store-contract.js';
import { describeIf } from '../../test/support/needs.js';
import { ENGINES, RedisServer } from '../../test/support/redis-server.js';
import { loadConfig } from '../config/load.js';
import { Lifecycle } from '../generations/lifecycle.js';
import { MemoryStore } from '../generations/store/memory-store.js';
import { Copies } from './copies.js';
import { Keeper } from './keeper.js';
import { newNodeId } from './keys.js';
import { NodeBus } from './node-bus.js';
import { RedisClient } from './redis.js';
import { RedisStore } from './redis-store.js';

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
      const keeper = new Keeper(redis, node, config, new Lifecycle());
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
      return new RedisStore(local, redis, node, keeper, copies, config);
    };

    generationStoreContract(`RedisStore on ${name}`, async () => {
      const prefix = `${randomUUID()}:`;
      return { store: await storeOf(prefix), elsewhere: await storeOf(prefix) };
    });
  });
}
