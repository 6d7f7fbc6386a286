import { hashOf, runningOf } from './keys.js';
import type { RedisClient } from './redis.js';

/** Most starts that are remembered: the last ones. */
const MOST = 10_000;
/** How many of them are taken back in one call. */
const AT_ONCE = 200;
/**
 * Answers of Redis to wait for: the first one may come before what still waits in a connection that this
 * node has given up.
 */
const ANSWERS = 2;

interface Refused {
  /** Name in Redis of the idempotency key that may be held for it. */
  key: string | undefined;
  /** How often Redis has answered since. */
  answers: number;
}

/**
 * Starts that were refused because Redis did not answer. It may have kept them, or do so when it goes on:
 * another node would then begin them for nobody, when this one is lost, and their idempotency keys would
 * stand for nothing. So they are taken back.
 */
export class RefusedStarts {
  private readonly byId = new Map<string, Refused>();
  private isBusy = false;

  constructor(
    private readonly redis: RedisClient,
    private readonly node: string,
  ) {}

  /** @param key name of the one that may be held for it */
  note(id: string, key = this.byId.get(id)?.key): void {
    this.byId.set(id, { key, answers: 0 });
    const [oldest] = this.byId.keys();
    if (this.byId.size > MOST && oldest !== undefined) this.byId.delete(oldest);
  }

  /** Takes back what is to be taken back; called again until Redis has answered. */
  async takeBack(): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    const ids = [...this.byId.keys()];
    try {
      for (let at = 0; at < ids.length; at += AT_ONCE) await this.undo(ids.slice(at, at + AT_ONCE));
    } catch {
      // The next beat tries again.
    } finally {
      this.isBusy = false;
    }
  }

  private async undo(ids: readonly string[]): Promise<void> {
    const keys = [runningOf(this.node), ...ids.map(hashOf)].map((key) => this.redis.prefix + key);
    const freed = ids.map((id) => {
      const key = this.byId.get(id)?.key;
      return key === undefined ? undefined : this.redis.run('keyLife', [key], [id, 0]);
    });
    await Promise.all([this.redis.run('undo', keys, [this.node, ...ids]), ...freed]);
    for (const id of ids) {
      const refused = this.byId.get(id);
      if (refused !== undefined && ++refused.answers >= ANSWERS) this.byId.delete(id);
    }
  }
}
