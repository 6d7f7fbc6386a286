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

/**
 * Starts that were refused because Redis did not answer. It may have kept them, or do so when it goes on:
 * another node would then begin them for nobody, when this one is lost. So they are taken back.
 */
export class RefusedStarts {
  /** By their ids, how often Redis has answered since. */
  private readonly answers = new Map<string, number>();
  private isBusy = false;

  constructor(
    private readonly redis: RedisClient,
    private readonly node: string,
  ) {}

  note(id: string): void {
    this.answers.set(id, 0);
    const [oldest] = this.answers.keys();
    if (this.answers.size > MOST && oldest !== undefined) this.answers.delete(oldest);
  }

  /** Takes back what is to be taken back; called again until Redis has answered. */
  async takeBack(): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    const ids = [...this.answers.keys()];
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
    await this.redis.run('undo', keys, [this.node, ...ids]);
    for (const id of ids) {
      const answers = (this.answers.get(id) ?? 0) + 1;
      if (answers < ANSWERS) this.answers.set(id, answers);
      else this.answers.delete(id);
    }
  }
}
