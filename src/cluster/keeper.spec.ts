import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { BareNode } from '../../test/support/bare-node.js';
import { describeIf } from '../../test/support/needs.js';
import { ENGINES, RedisServer } from '../../test/support/redis-server.js';
import { until } from '../../test/support/until.js';
import { FOLLOWED_WINDOW_MS } from './ticks.js';

for (const { name, program, missing } of ENGINES) {
  describeIf(program !== undefined, missing)(`the keeper on ${name}`, () => {
    let server: RedisServer;
    let node: BareNode;
    beforeAll(async () => {
      Logger.overrideLogger(false);
      server = await RedisServer.start(program ?? '');
      node = await BareNode.start(server.url, 'test:');
    });
    afterAll(async () => {
      node?.close();
      await server?.close();
    });

    const calls = async (): Promise<number> => {
      const said = await server.ask((client) => client.info('commandstats'));
      return Number(/^cmdstat_evalsha:calls=(\d+)/m.exec(said ?? '')?.[1] ?? 0);
    };

    it('calls Redis once for all that is new at a tick, however much comes at any time', async () => {
      const { keeper } = node.parts;
      const all = await Promise.all(Array.from({ length: 5 }, () => node.begin()));
      keeper.follow(
        'elsewher',
        all.map(({ id }) => [id, true]),
      );
      for (const { log } of all) log.append({ type: 'text', text: 'first', createdAt: '' });
      await until(() => keeper.behind === 0);
      const before = await calls();
      const from = performance.now();
      let appended = 0;
      while (performance.now() - from < 20 * FOLLOWED_WINDOW_MS) {
        for (const { log } of all) {
          log.append({ type: 'text', text: 'x', createdAt: '' });
          appended++;
          await sleep(1);
        }
      }
      await until(() => keeper.behind === 0);
      const ticks = (performance.now() - from) / FOLLOWED_WINDOW_MS;
      const made = (await calls()) - before;
      expect(made).toBeGreaterThan(0);
      expect(made).toBeLessThanOrEqual(ticks + 1);
      expect(appended).toBeGreaterThan(made);
    });
  });
}
