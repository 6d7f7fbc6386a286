import { z } from 'zod';
import type { Revocation } from '../access/revocations.js';
import { MAX_LIFE_S } from '../access/token-claims.js';
import { CLOCK_TOLERANCE_S } from '../access/token-verifier.js';
import { REVOKED } from './keys.js';
import type { RedisClient } from './redis.js';

/** How long a revocation is kept: until the longest token is over. In milliseconds. */
const KEPT_MS = (MAX_LIFE_S + CLOCK_TOLERANCE_S) * 1000;
/** Most entries that are read at one time. */
const MAX_READ = 1_000;
/** Before the first entry of a stream. */
const BEGINNING = '0-0';

const revocation = z.object({
  target: z.union([
    z.object({ key: z.string() }),
    z.object({ tenant: z.string(), sub: z.string() }),
    z.object({ jti: z.string() }),
  ]),
  before: z.number(),
  cancel: z.boolean(),
  at: z.number(),
});

/**
 * What was taken back, as a Redis stream that every node reads on: one that starts later, or was cut off,
 * reads what it has missed; what Redis has lost is written again by whoever has read it.
 */
export class RevocationLog {
  /** What is in Redis as far as this node has written or read it, by its id. */
  private readonly held = new Map<string, Revocation>();
  /** The last entry that was read. */
  private last = BEGINNING;
  /** What Redis has not taken yet. */
  private readonly owed: Revocation[] = [];
  /** Redis may have lost some of what is held. */
  private isDoubtful = false;
  private readonly listeners: ((revocation: Revocation) => void)[] = [];

  constructor(private readonly redis: RedisClient) {}

  onRead(listener: (revocation: Revocation) => void): void {
    this.listeners.push(listener);
  }

  /** @throws CastError `store_unavailable`: it is written at one of the next beats */
  async write(revoked: Revocation): Promise<void> {
    this.owed.push(revoked);
    await this.pay();
  }

  /** Reads what is new, and writes again what Redis has lost. @throws CastError `store_unavailable` */
  async beat(): Promise<void> {
    const key = this.redis.prefix + REVOKED;
    const [newest, length] = await this.redis.ask((client) =>
      Promise.all([client.xrevrange(key, '+', '-', 'COUNT', 1), client.xlen(key)]),
    );
    const newestId = newest[0]?.[0] ?? BEGINNING;
    if (isBefore(this.last, newestId)) await this.readOn();
    // It may have come back without some, and others may have been written since.
    if (isBefore(newestId, this.last) || length < this.held.size) this.isDoubtful = true;
    if (this.isDoubtful) await this.findLost();
    await this.pay();
    this.tidy();
  }

  private async readOn(): Promise<void> {
    const key = this.redis.prefix + REVOKED;
    for (let isMore = true; isMore;) {
      const entries = await this.redis.ask((client) =>
        client.xrange(key, `(${this.last}`, '+', 'COUNT', MAX_READ),
      );
      for (const [id, fields] of entries) {
        this.last = id;
        const said = revocation.safeParse(JSON.parse(fields[1] ?? 'null'));
        if (!said.success) continue;
        this.held.set(id, said.data);
        for (const listener of this.listeners) listener(said.data);
      }
      isMore = entries.length === MAX_READ;
    }
  }

  /** Reads all that Redis has; what it does not have any more is owed to it. */
  private async findLost(): Promise<void> {
    const before = [...this.held];
    this.held.clear();
    this.last = BEGINNING;
    try {
      await this.readOn();
    } catch (error) {
      for (const [id, one] of before) this.held.set(id, one);
      throw error;
    }
    // Another node may have written it again already.
    const there = new Set([...this.held.values()].map((one) => JSON.stringify(one)));
    for (const [, one] of before) if (!there.has(JSON.stringify(one))) this.owed.push(one);
    this.isDoubtful = false;
  }

  private async pay(): Promise<void> {
    const key = this.redis.prefix + REVOKED;
    for (let next = this.owed.shift(); next !== undefined; next = this.owed.shift()) {
      const text = JSON.stringify(next);
      const oldest = Date.now() - KEPT_MS;
      try {
        const id = await this.redis.ask((client) =>
          client.xadd(key, 'MINID', '~', oldest, '*', 'r', text),
        );
        if (id !== null) this.held.set(id, next);
        await this.redis.ask((client) => client.pexpire(key, KEPT_MS));
      } catch (error) {
        this.owed.push(next);
        throw error;
      }
    }
  }

  /** Forgets what no token can outlive. */
  private tidy(): void {
    const since = Date.now() - KEPT_MS;
    for (const id of this.held.keys()) {
      if (timeOf(id) >= since) return;
      this.held.delete(id);
    }
  }
}

/** When an entry was written, by the clock of Redis, in milliseconds since 1970. */
function timeOf(id: string): number {
  return Number(id.split('-')[0]);
}

function isBefore(left: string, right: string): boolean {
  const [leftMs = 0, leftNo = 0] = left.split('-').map(Number);
  const [rightMs = 0, rightNo = 0] = right.split('-').map(Number);
  return leftMs < rightMs || (leftMs === rightMs && leftNo < rightNo);
}
