import { setTimeout as sleep } from 'node:timers/promises';

/** How long an end is remembered, in milliseconds: what a killed Redis loses is younger than seconds. */
const RECENT_MS = 60_000;
/** Most ends that are remembered: those that came last. */
const MOST = 10_000;
/** How many of them are looked for in Redis at one time. */
const AT_ONCE = 64;
/**
 * How old an end is to be before its node goes, in milliseconds. With `appendfsync everysec` a Redis that
 * is killed loses a second, and up to two more where its disk is slow.
 */
const SAFE_MS = 3_000;

/**
 * What has ended on this node lately. A Redis that is killed, or fails over, may lose what it had
 * already said yes to. What runs is told again by its keeper, which goes on; of what has ended nobody
 * would notice it, and a node that took it over later would give it another end, or begin it once more.
 */
export class RecentEnds {
  /** When each ended, the oldest first. */
  private readonly endedAt = new Map<string, number>();
  /** Those that Redis may have lost, and that were not looked for yet. */
  private readonly doubted = new Set<string>();
  private checking: Promise<void> | undefined;

  /**
   * @param mend writes the end of a generation again where Redis has lost it; rejects where Redis does
   * not say
   */
  constructor(private readonly mend: (id: string) => Promise<void>) {}

  note(id: string): void {
    const now = performance.now();
    this.endedAt.set(id, now);
    for (const [one, endedAt] of this.endedAt) {
      if (this.endedAt.size <= MOST && now - endedAt < RECENT_MS) break;
      this.endedAt.delete(one);
    }
  }

  /** Redis is back: it may have lost any of them. */
  doubt(): void {
    for (const id of this.endedAt.keys()) this.doubted.add(id);
    void this.check();
  }

  /** Looks for those that are in doubt; called again until Redis has said of each. */
  check(): Promise<void> {
    this.checking ??= this.lookForAll().finally(() => (this.checking = undefined));
    return this.checking;
  }

  /** Resolves when a Redis that is killed would hardly lose any of them; after {@link SAFE_MS} at most. */
  async safe(): Promise<void> {
    const newest = [...this.endedAt.values()].at(-1) ?? Number.NEGATIVE_INFINITY;
    await sleep(Math.max(0, newest + SAFE_MS - performance.now()));
  }

  private async lookForAll(): Promise<void> {
    const ids = [...this.doubted];
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      await Promise.allSettled(ids.slice(at, at + AT_ONCE).map((id) => this.lookFor(id)));
    }
  }

  private async lookFor(id: string): Promise<void> {
    this.doubted.delete(id);
    try {
      await this.mend(id);
    } catch {
      this.doubted.add(id);
    }
  }
}
