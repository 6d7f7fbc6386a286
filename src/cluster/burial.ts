import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import type { Config } from '../config/config.js';
import { endItemOf } from './batch.js';
import { type Copies, lostEnd } from './copies.js';
import { hashOf, runningOf, streamOf } from './keys.js';
import type { RedisClient } from './redis.js';
import type { RedisLine } from './redis-line.js';

/** Most generations that are ended at one time. */
const MAX_AT_ONCE = 64;
/** How long a replica may take to have a fence, in milliseconds. */
const REPLICA_MS = 100;

/**
 * What is done for a node that was lost: each of its generations is fenced, so that nothing more of it
 * is accepted, and gets its end; then its slots and places are free. Every step may be done again, by
 * another node too, so that a burial which breaks off is done by the next one.
 */
export class Burial {
  private readonly logger = new Logger('Cluster');
  private readonly busy = new Set<string>();

  constructor(
    private readonly redis: RedisClient,
    private readonly node: string,
    private readonly copies: Copies,
    private readonly line: RedisLine,
    private readonly config: Pick<Config, 'RETAIN_MS'>,
  ) {}

  /**
   * @param spreadMs the longest pause before it begins, so that not all nodes begin at once
   * @returns whether the node is buried; false while that goes on already, or Redis was away
   */
  async bury(dead: string, spreadMs: number): Promise<boolean> {
    if (this.busy.has(dead)) return false;
    this.busy.add(dead);
    try {
      await sleep(Math.random() * spreadMs, undefined, { ref: false });
      const ids = await this.redis.ask((client) =>
        client.smembers(this.redis.prefix + runningOf(dead)),
      );
      this.logger.warn('a node is lost', { node: dead, generations: ids.length });
      const isReplicated = await this.isReplicated();
      const left = ids[Symbol.iterator]();
      const work = async (): Promise<void> => {
        for (const id of left) await this.end(dead, id, isReplicated);
      };
      await Promise.all(Array.from({ length: MAX_AT_ONCE }, work));
      await this.line.drop(dead);
      return true;
    } catch (error) {
      this.logger.warn('a burial broke off', { node: dead, error: String(error) });
      return false;
    } finally {
      this.busy.delete(dead);
    }
  }

  private async end(dead: string, id: string, isReplicated: boolean): Promise<void> {
    const { redis } = this;
    const hash = redis.prefix + hashOf(id);
    const epoch = await redis.ask((client) => client.hget(hash, 'epoch'));
    const fenced = epoch === null ? GONE : await redis.run('fence', [hash], [epoch, this.node]);
    // Another node was faster; should it fail, the next burial finds this one again.
    if (fenced === FASTER) return;
    if (typeof fenced === 'number' && fenced > 0) {
      if (isReplicated) await redis.ask((client) => client.wait(1, REPLICA_MS));
      const generation = await this.copies.snapshot(id);
      const end = lostEnd(generation);
      const state = JSON.stringify({ generationId: id, state: end.said.state });
      const call = [
        id,
        fenced,
        end.from,
        end.seq,
        JSON.stringify([endItemOf(end)]),
        this.config.RETAIN_MS,
        end.said.state,
        state,
        [],
      ];
      const keys = [hash, redis.prefix + streamOf(id)];
      const [answer] = (await redis.run('append', keys, [JSON.stringify([call])])) as string[];
      if (answer !== 'ok') return this.logger.warn('a lost generation has no end', { id, answer });
    }
    await redis.ask((client) => client.srem(redis.prefix + runningOf(dead), id));
  }

  private async isReplicated(): Promise<boolean> {
    const info = await this.redis.ask((client) => client.info('replication'));
    return /^connected_slaves:[1-9]/m.test(info);
  }
}

const GONE = -3;
const FASTER = -2;
