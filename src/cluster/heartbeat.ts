import { Logger } from '@nestjs/common';
import { NODES } from './keys.js';
import type { RedisClient } from './redis.js';

/** Beats in one lease. */
const BEATS_IN_LEASE = 5;

/** The count of a node that does not beat. */
const NEVER = '';

interface Seen {
  count: string;
  /** When it was last seen to change, by this node's monotonic clock, in milliseconds. */
  changedAt: number;
}

/**
 * Shows the other nodes that this one lives, and sees which of them stand still. A node is judged by
 * this node's own clock, and only while this node's own beats succeed: who was cut off or has slept
 * knows nothing of anybody.
 */
export class Heartbeat {
  private readonly logger = new Logger('Cluster');
  private readonly seen = new Map<string, Seen>();
  private lastBeatAt = Number.NEGATIVE_INFINITY;
  /** How long the last answer of Redis took, in milliseconds; null before the first one. */
  latencyMs: number | null = null;

  constructor(
    private readonly redis: RedisClient,
    private readonly node: string,
    readonly leaseMs: number,
  ) {}

  /** Time between two beats, in milliseconds. */
  get periodMs(): number {
    return this.leaseMs / BEATS_IN_LEASE;
  }

  /** Milliseconds since Redis last heard this node. */
  get silentMs(): number {
    return performance.now() - this.lastBeatAt;
  }

  /** All nodes, and how long each has been silent. */
  get nodes(): { node: string; isAlive: boolean; silentMs: number }[] {
    const now = performance.now();
    return [...this.seen].map(([node, { changedAt }]) => ({
      node,
      isAlive: this.isAlive(node),
      silentMs: Math.round(now - changedAt),
    }));
  }

  /** The nodes whose beats were heard within a lease, this one too. */
  get alive(): string[] {
    return [...this.seen.keys()].filter((node) => this.isAlive(node));
  }

  isAlive(node: string): boolean {
    const seen = this.seen.get(node);
    return seen !== undefined && performance.now() - seen.changedAt < this.leaseMs;
  }

  /**
   * @param owners nodes whose generations are followed here: one that no longer beats at all is lost too
   * @returns the nodes that have stood still for a lease
   * @throws CastError `store_unavailable`
   */
  async beat(owners: Iterable<string> = []): Promise<string[]> {
    const key = this.redis.prefix + NODES;
    const askedAt = performance.now();
    const counts = await this.redis.ask(async (client) => {
      const [, counts] = await Promise.all([
        client.hincrby(key, this.node, 1),
        client.hgetall(key),
      ]);
      return counts;
    });
    for (const owner of owners) counts[owner] ??= NEVER;
    const now = performance.now();
    this.latencyMs = Math.round((now - askedAt) * 1000) / 1000;
    const wasCutOff = now - this.lastBeatAt > 2 * this.periodMs;
    this.lastBeatAt = now;
    for (const node of this.seen.keys()) if (!(node in counts)) this.seen.delete(node);
    for (const [node, count] of Object.entries(counts)) {
      const before = this.seen.get(node);
      if (before === undefined && count !== NEVER) this.logger.log('a node is there', { node });
      if (wasCutOff || before?.count !== count) this.seen.set(node, { count, changedAt: now });
    }
    return Object.keys(counts).filter((node) => node !== this.node && !this.isAlive(node));
  }

  /** Takes a node off the list: this one, as it goes, or one that was buried. */
  async remove(node: string): Promise<void> {
    this.seen.delete(node);
    await this.redis.ask((client) => client.hdel(this.redis.prefix + NODES, node));
  }
}
