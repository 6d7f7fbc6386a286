/** How long an end is remembered, in milliseconds: what a killed Redis loses is younger than seconds. */
const RECENT_MS = 60_000;
/** Most ends that are remembered: those that came last. */
const MOST = 10_000;
/** How many of them are looked for in Redis at one time. */
const AT_ONCE = 64;

/**
 * What has ended on this node lately. A Redis that is killed, or fails over, may lose what it had
 * already said yes to: one or two seconds with `appendfsync everysec`. What runs is told again by its
 * keeper, which goes on; of what has ended nobody would notice it, and a node that took it over later
 * would give it another end, or begin it once more.
 */
export class RecentEnds {
  /** When each ended, the oldest first. */
  private readonly endedAt = new Map<string, number>();

  /** @param mend writes the end of a generation again where Redis has lost it */
  constructor(private readonly mend: (id: string) => Promise<void>) {}

  note(id: string): void {
    const now = performance.now();
    this.endedAt.set(id, now);
    for (const [one, endedAt] of this.endedAt) {
      if (this.endedAt.size <= MOST && now - endedAt < RECENT_MS) break;
      this.endedAt.delete(one);
    }
  }

  /** Redis is back. What cannot be looked for now is when it is back the next time. */
  async check(): Promise<void> {
    const ids = [...this.endedAt.keys()];
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      await Promise.allSettled(ids.slice(at, at + AT_ONCE).map((id) => this.mend(id)));
    }
  }
}
