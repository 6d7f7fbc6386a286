import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { BareNode } from '../../test/support/bare-node.js';
import { FaultProxy } from '../../test/support/fault-proxy.js';
import { describeIf } from '../../test/support/needs.js';
import { ENGINES, RedisServer } from '../../test/support/redis-server.js';
import { until } from '../../test/support/until.js';
import { runningOf } from './keys.js';

/** Less than the time after which a key that stands for nothing goes by itself, in milliseconds. */
const PATIENCE_MS = 20_000;

for (const { name, program, missing } of ENGINES) {
  describeIf(program !== undefined, missing)(`a start that was refused, on ${name}`, () => {
    let server: RedisServer;
    let path: FaultProxy;
    let prefix: string;
    const open: BareNode[] = [];
    beforeAll(async () => {
      Logger.overrideLogger(false);
      server = await RedisServer.start(program ?? '');
      path = await FaultProxy.start(server.port);
    });
    beforeEach(() => {
      prefix = `${randomUUID()}:`;
    });
    afterEach(() => {
      for (const node of open.splice(0)) node.close();
      path.resume();
    });
    afterAll(async () => {
      await path?.close();
      await server?.close();
    });

    const nodeOf = async (url: string): Promise<BareNode> => {
      const node = await BareNode.start(url, prefix);
      open.push(node);
      return node;
    };
    const kept = (node: BareNode) =>
      server.ask((client) => client.scard(prefix + runningOf(node.id)));
    /** The node beats until Redis has so many of its generations. */
    const untilKept = (node: BareNode, count: number) =>
      until(async () => {
        node.parts.store.beat();
        return (await kept(node)) === count;
      });

    it('is begun by nobody, though Redis had it and could not say so', async () => {
      const [dead, heir] = [
        await nodeOf(`redis://127.0.0.1:${path.port}`),
        await nodeOf(server.url),
      ];
      const { id } = await dead.begin();
      path.stall();
      await expect(dead.begin()).rejects.toMatchObject({ code: 'store_unavailable' });
      expect(await kept(dead)).toBe(2);
      path.resume();
      await untilKept(dead, 1);
      dead.die();
      const begun: string[] = [];
      heir.parts.burial.adopt = ({ generation }) => Promise.resolve(void begun.push(generation.id));
      expect(await heir.parts.burial.bury(dead.id, 0)).toBe(true);
      expect(begun).toEqual([id]);
    });

    it('holds its idempotency key no longer', async () => {
      const node = await nodeOf(`redis://127.0.0.1:${path.port}`);
      const { store } = node.parts;
      const claim = { key: 'k', user: 'ada', asked: { prompt: 'x' } };
      path.stall();
      await expect(store.claim(claim, store.newId())).rejects.toMatchObject({
        code: 'store_unavailable',
      });
      path.resume();
      const id = store.newId();
      await until(async () => {
        store.beat();
        return (await store.claim(claim, id).catch(() => undefined)) === id;
      }, PATIENCE_MS);
    });

    it('is taken back where Redis stood still, and did what it was asked when it went on', async () => {
      const node = await nodeOf(server.url);
      server.signal('SIGSTOP');
      await expect(node.begin()).rejects.toMatchObject({ code: 'store_unavailable' });
      node.parts.store.beat();
      server.signal('SIGCONT');
      await untilKept(node, 0);
      await node.begin();
      await untilKept(node, 1);
    });
  });
}
