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

  /** Reads what is new. @throws CastError `store_unavailable` */
  async beat(): Promise<void> {
    await this.pay();
    const key = this.redis.prefix + REVOKED;
    const [newest] = await this.redis.ask((client) => client.xrevrange(key, '+', '-', 'COUNT', 1));
    const newestId = newest?.[0] ?? BEGINNING;
    await this.writeAgain(newestId);
    if (isBefore(this.last, newestId)) await this.readOn();
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

  /** Redis may have come back without what it had after an entry. */
  private async writeAgain(newest: string): Promise<void> {
    if (isBefore(newest, this.last)) this.last = newest;
    for (const [id, lost] of this.held) {
      if (!isBefore(newest, id)) continue;
      this.held.delete(id);
      this.owed.push(lost);
    }
    await this.pay();
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
