import { randomUUID } from 'node:crypto';
import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { BareNode } from '../../test/support/bare-node.js';
import { describeIf } from '../../test/support/needs.js';
import { ENGINES, RedisServer } from '../../test/support/redis-server.js';
import { until } from '../../test/support/until.js';
import { MAX_AT_ONCE } from './burial.js';
import { hashOf, newNodeId, runningOf, streamOf } from './keys.js';

for (const { name, program, missing } of ENGINES) {
  describeIf(program !== undefined, missing)(`a burial on ${name}`, () => {
    let server: RedisServer;
    let prefix: string;
    const open: BareNode[] = [];
    beforeAll(async () => {
      Logger.overrideLogger(false);
      server = await RedisServer.start(program ?? '');
    });
    beforeEach(() => {
      prefix = `${randomUUID()}:`;
    });
    afterEach(() => {
      for (const node of open.splice(0)) node.close();
    });
    afterAll(async () => {
      await server?.close();
    });

    const nodeOf = async (): Promise<BareNode> => {
      const node = await BareNode.start(server.url, prefix);
      open.push(node);
      return node;
    };
    /** Redis has its first text. */
    const begun = async (node: BareNode): Promise<string> => {
      const { id, log } = await node.begin();
      log.append({ type: 'text', text: 'begun', createdAt: '' });
      await until(() => node.parts.keeper.behind === 0);
      return id;
    };
    const ofHash = (id: string, ...fields: string[]) =>
      server.ask((client) => client.hmget(prefix + hashOf(id), ...fields));

    it('takes over so many at one time, and all in the end', async () => {
      const [dead, heir] = [await nodeOf(), await nodeOf()];
      const waiting = [await dead.begin()];
      // One after the other: of a hundred at one time the last waits too long for its answer where the
      // machine is busy.
      while (waiting.length < 100) waiting.push(await dead.begin());
      dead.die();
      const adopted: string[] = [];
      let running = 0;
      let most = 0;
      let go = (): void => undefined;
      const gate = new Promise<void>((open) => (go = open));
      heir.parts.burial.adopt = async ({ generation }) => {
        most = Math.max(most, ++running);
        await gate;
        adopted.push(generation.id);
        running--;
      };
      const buried = heir.parts.burial.bury(dead.id, 0);
      await until(() => running >= MAX_AT_ONCE);
      // Whatever else were on its way would have come by now.
      for (let turn = 0; turn < 20; turn++) await heir.parts.redis.ask((client) => client.ping());
      go();
      expect(await buried).toBe(true);
      expect(most).toBe(MAX_AT_ONCE);
      expect(adopted.toSorted()).toEqual(waiting.map(({ id }) => id).toSorted());
    });

    it('ends what one node ran and another one had just taken over, where both are lost', async () => {
      const [owner, adopter, heir] = [await nodeOf(), await nodeOf(), await nodeOf()];
      const id = await begun(owner);
      owner.die();
      // The adopter has fenced it, and dies.
      await adopter.parts.redis.run('fence', [prefix + hashOf(id)], [1, adopter.id]);
      await server.ask((client) => client.sadd(prefix + runningOf(adopter.id), id));
      const buried = await Promise.all(
        [owner, adopter].map((dead) => heir.parts.burial.bury(dead.id, 0)),
      );
      expect(buried).toEqual([true, true]);
      expect(await ofHash(id, 'end')).toEqual(['interrupted']);
    });

    it('keeps nothing of what it has ended: its memory is free again', async () => {
      const [dead, heir] = [await nodeOf(), await nodeOf()];
      const ids = [await begun(dead), await begun(dead)];
      dead.die();
      expect(await heir.parts.burial.bury(dead.id, 0)).toBe(true);
      expect(await Promise.all(ids.map((id) => ofHash(id, 'end')))).toEqual([
        ['interrupted'],
        ['interrupted'],
      ]);
      expect(heir.parts.store.memory.bytes).toBe(0);
    });

    it('is not over before each has its end: what Redis refuses is done again', async () => {
      const [dead, heir] = [await nodeOf(), await nodeOf()];
      const id = await begun(dead);
      dead.die();
      // Redis counts more than its stream has: the end that the heir makes does not follow it.
      await server.ask((client) => client.hset(prefix + hashOf(id), 'seq', 5));
      expect(await heir.parts.burial.bury(dead.id, 0)).toBe(false);
      expect(heir.parts.burial.isSettled).toBe(false);
      expect(await ofHash(id, 'end')).toEqual([null]);
      await server.ask((client) => client.hset(prefix + hashOf(id), 'seq', 1));
      await heir.parts.burial.settle();
      expect(heir.parts.burial.isSettled).toBe(true);
      expect(await ofHash(id, 'end')).toEqual(['interrupted']);
    });

    it('is over though Redis has evicted what was said, which is gone then', async () => {
      const [dead, heir] = [await nodeOf(), await nodeOf()];
      const [id, other] = [await begun(dead), await begun(dead)];
      dead.die();
      await server.ask((client) => client.del(prefix + streamOf(id)));
      const warned = jest.spyOn(Logger.prototype, 'warn');
      try {
        expect(await heir.parts.burial.bury(dead.id, 0)).toBe(true);
        const node = dead.id;
        expect(warned).toHaveBeenCalledWith(expect.stringContaining('evicted'), { node, id });
      } finally {
        warned.mockRestore();
      }
      expect(heir.parts.burial.isSettled).toBe(true);
      await expect(heir.parts.store.find(id)).rejects.toMatchObject({
        code: 'generation_not_found',
      });
      expect(await ofHash(other, 'end')).toEqual(['interrupted']);
    });

    it('leaves what another version has written to that one, and is over where none takes it', async () => {
      const [dead, heir] = [await nodeOf(), await nodeOf()];
      const [id, other] = [await begun(dead), await begun(dead)];
      dead.die();
      await server.ask((client) => client.hset(prefix + hashOf(id), 'v', '999'));
      expect(await heir.parts.burial.bury(dead.id, 0)).toBe(false);
      await until(async () => (await ofHash(other, 'end'))?.[0] === 'interrupted');
      const clock = jest.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_000);
      const warned = jest.spyOn(Logger.prototype, 'warn');
      try {
        expect(await heir.parts.burial.bury(dead.id, 0)).toBe(true);
        const node = dead.id;
        expect(warned).toHaveBeenCalledWith(expect.stringContaining('version'), { node, id });
      } finally {
        clock.mockRestore();
        warned.mockRestore();
      }
      expect(heir.parts.burial.isSettled).toBe(true);
      expect(await ofHash(id, 'owner', 'end')).toEqual([dead.id, null]);
    });

    it('begins at a moment of its own, so that not all nodes come at once', async () => {
      const heir = await nodeOf();
      const order: number[] = [];
      const all = Array.from({ length: 12 }, async (_, at) => {
        await heir.parts.burial.bury(newNodeId(), 200);
        order.push(at);
      });
      await Promise.all(all);
      expect(order).not.toEqual(order.toSorted((one, other) => one - other));
    });
  });
}
