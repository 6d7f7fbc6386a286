import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { BareNode } from '../../test/support/bare-node.js';
import { describeIf } from '../../test/support/needs.js';
import { ENGINES, RedisServer } from '../../test/support/redis-server.js';
import { until } from '../../test/support/until.js';
import { hashOf, streamOf } from './keys.js';
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

    it.each([
      ['the hash', hashOf],
      ['the stream', streamOf],
    ])(
      'writes again what was evicted in part (%s), and keeps the others meanwhile',
      async (_what, keyOf) => {
        const { keeper } = node.parts;
        const [first, second] = [await node.begin(), await node.begin()];
        const say = (text: string): void => {
          for (const { log } of [first, second]) log.append({ type: 'text', text, createdAt: '' });
        };
        // More than one batch.
        const texts = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(15_000));
        for (const text of texts.slice(0, -1)) {
          say(text);
          await until(() => keeper.behind === 0);
        }
        // As a Redis does that forgets what it has no room for: of two keys one.
        await server.ask((client) => client.del(`test:${keyOf(first.id)}`));
        say(texts.at(-1) ?? '');
        const elsewhere = await BareNode.start(server.url, 'test:');
        try {
          for (const { id } of [second, first]) {
            await until(async () => {
              const found = await elsewhere.parts.copies.snapshot(id).catch(() => undefined);
              return found?.log.all('text') === texts.join('');
            });
          }
        } finally {
          elsewhere.close();
        }
      },
    );
  });
}
