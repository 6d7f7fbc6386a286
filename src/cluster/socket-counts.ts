import type { Allowance } from '../access/access-store.js';
import { CastError } from '../protocol/errors.js';
import { socketsOf } from './keys.js';
import type { RedisClient } from './redis.js';

/** How long what a node has told counts: so long the sockets of a dead node do. In milliseconds. */
const VALID_MS = 60_000;
/** How often a node tells again what it has, in milliseconds. */
const TELL_MS = 20_000;
/** How many accounts are told at one time. */
const TOLD_AT_ONCE = 100;

/**
 * Open sockets of accounts. Each node knows its own, and tells Redis their number: what is lost there
 * is told again. While Redis is away each node goes by its own.
 */
export class SocketCounts {
  private readonly own = new Map<string, number>();
  private telling: NodeJS.Timeout | undefined;

  constructor(
    private readonly redis: RedisClient,
    private readonly node: string,
  ) {}

  /** @returns to be called when it is closed; undefined where an account has as many as it may */
  async open(accounts: readonly Allowance[]): Promise<(() => void) | undefined> {
    this.telling ??= setInterval(() => void this.tellAll(), TELL_MS).unref();
    const opened: string[] = [];
    const close = (): void => {
      for (const name of opened.splice(0)) this.add(name, -1).catch(() => undefined);
    };
    for (const { name, most = 0 } of accounts) {
      if (most === 0) continue;
      opened.push(name);
      if (await this.add(name, 1, most)) continue;
      close();
      return undefined;
    }
    return close;
  }

  close(): void {
    clearInterval(this.telling);
  }

  /** @returns whether there is room */
  private async add(name: string, change: 1 | -1, most = 0): Promise<boolean> {
    const count = (this.own.get(name) ?? 0) + change;
    if (count === 0) this.own.delete(name);
    else this.own.set(name, count);
    try {
      return await this.tell(name, count, most);
    } catch (error) {
      if (!(error instanceof CastError) || error.code !== 'store_unavailable') throw error;
      return most === 0 || count <= most;
    }
  }

  private async tell(name: string, count: number, most = 0): Promise<boolean> {
    const key = this.redis.prefix + socketsOf(name);
    return (await this.redis.run('sockets', [key], [this.node, count, most, VALID_MS])) === 1;
  }

  private async tellAll(): Promise<void> {
    const names = [...this.own.keys()];
    for (let at = 0; at < names.length; at += TOLD_AT_ONCE) {
      const some = names.slice(at, at + TOLD_AT_ONCE);
      // The count of now: one may have been closed in the meantime.
      await Promise.allSettled(some.map((name) => this.tell(name, this.own.get(name) ?? 0)));
    }
  }
}
