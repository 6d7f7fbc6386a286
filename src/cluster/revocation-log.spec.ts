import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { describeIf } from '../../test/support/needs.js';
import { ENGINES, RedisServer } from '../../test/support/redis-server.js';
import { until } from '../../test/support/until.js';
import type { Revocation } from '../access/revocations.js';
import { RedisClient } from './redis.js';
import { RevocationLog } from './revocation-log.js';

for (const { name, program, missing } of ENGINES) {
  describeIf(program !== undefined, missing)(`what was taken back, on ${name}`, () => {
    let server: RedisServer;
    let prefix: string;
    const open: RedisClient[] = [];
    beforeAll(async () => {
      Logger.overrideLogger(false);
      server = await RedisServer.start(program ?? '');
    });
    beforeEach(() => {
      prefix = `${randomUUID()}:`;
    });
    afterEach(() => {
      for (const redis of open.splice(0)) redis.close();
    });
    afterAll(async () => {
      await server?.close();
    });

    const logOf = async (): Promise<{ log: RevocationLog; read: Set<string> }> => {
      const redis = new RedisClient([server.url], prefix);
      open.push(redis);
      await redis.connect();
      const log = new RevocationLog(redis);
      const read = new Set<string>();
      log.onRead(({ target }) => void ('jti' in target && read.add(target.jti)));
      return { log, read };
    };
    const revocationOf = (jti: string): Revocation => ({
      target: { jti },
      before: 1,
      cancel: false,
      at: Date.now(),
    });
    /** What a node knows that starts now. */
    const knownLater = async (): Promise<string[]> => {
      const { log, read } = await logOf();
      await log.beat();
      return [...read].toSorted();
    };

    it('is known again where Redis came back empty, also beside what was taken back meanwhile', async () => {
      const { log } = await logOf();
      await log.write(revocationOf('before'));
      await server.kill();
      await expect(log.write(revocationOf('meanwhile'))).rejects.toMatchObject({
        code: 'store_unavailable',
      });
      await server.up();
      await until(() =>
        log.beat().then(
          () => true,
          () => false,
        ),
      );
      await log.beat();
      expect(await knownLater()).toEqual(['before', 'meanwhile']);
    });

    it('is known again where another node was faster to take something back after that', async () => {
      const [one, other] = [await logOf(), await logOf()];
      for (const jti of ['a', 'b', 'c']) await one.log.write(revocationOf(jti));
      await other.log.beat();
      await server.ask((client) => client.flushall());
      await other.log.write(revocationOf('d'));
      for (const { log } of [one, other, one, other]) await log.beat();
      expect(await knownLater()).toEqual(['a', 'b', 'c', 'd']);
      expect([...one.read].toSorted()).toEqual(['a', 'b', 'c', 'd']);
      const length = async () => server.ask((client) => client.xlen(`${prefix}revoked`));
      const before = await length();
      for (const { log } of [one, other, one, other]) await log.beat();
      expect(await length()).toBe(before);
    });
  });
}
