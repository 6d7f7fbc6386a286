import type { Upstream } from '../../src/cast/upstream.js';

interface Request {
  name: string;
  user: string;
  arrival: number;
  /** The round of its place before each upstream that can serve it. */
  rounds: Map<Upstream, number>;
}

/**
 * The policy of the waiting line (docs/architecture.md) as directly as it can be written, and as slow.
 * Every request here prefers no upstream.
 */
export class LinePolicy {
  /** Names of those that were started, in that order. */
  readonly started: string[] = [];
  private readonly running: { name: string; user: string; upstream: Upstream }[] = [];
  private waiting: Request[] = [];
  private arrivals = 0;
  private readonly roundOf = new Map<Upstream, number>();
  /** Round of the newest and of the newest served place of a user before an upstream. */
  private readonly newest = new Map<string, number>();
  private readonly served = new Map<string, number>();

  constructor(
    private readonly upstreams: readonly Upstream[],
    private readonly maxConcurrentPerUser: number,
  ) {}

  enter(name: string, user: string, able: readonly Upstream[]): void {
    const rounds = new Map<Upstream, number>();
    for (const upstream of able) {
      const mine = key(user, upstream);
      const round = Math.max(this.roundOf.get(upstream) ?? 1, (this.newest.get(mine) ?? 0) + 1);
      this.newest.set(mine, round);
      rounds.set(upstream, round);
    }
    this.waiting.push({ name, user, arrival: ++this.arrivals, rounds });
    this.serve();
  }

  reenter(name: string, user: string, able: readonly Upstream[]): void {
    const rounds = new Map(able.map((upstream) => [upstream, 0]));
    this.waiting.push({ name, user, arrival: ++this.arrivals, rounds });
    this.serve();
  }

  leave(name: string): void {
    const user = this.waiting.find((request) => request.name === name)?.user;
    this.waiting = this.waiting.filter((request) => request.name !== name);
    if (user !== undefined) this.settle(user);
  }

  release(name: string): void {
    const at = this.running.findIndex((request) => request.name === name);
    if (at >= 0) this.running.splice(at, 1);
    this.serve();
  }

  private serve(): void {
    for (;;) {
      const next = this.upstreams
        .filter((upstream) => this.isFree(upstream))
        .map((upstream) => this.nextOf(upstream))
        .find((request) => request !== undefined);
      if (next === undefined) return;
      const [best] = this.upstreams
        .filter((upstream) => this.isFree(upstream) && this.nextOf(upstream) === next)
        .sort((a, b) => this.loadOf(a) / a.slots - this.loadOf(b) / b.slots);
      for (const [upstream, round] of next.rounds) {
        this.roundOf.set(upstream, Math.max(this.roundOf.get(upstream) ?? 1, round));
        const mine = key(next.user, upstream);
        this.served.set(mine, Math.max(this.served.get(mine) ?? 0, round));
      }
      this.waiting = this.waiting.filter((request) => request !== next);
      this.settle(next.user);
      this.running.push({ name: next.name, user: next.user, upstream: best as Upstream });
      this.started.push(next.name);
    }
  }

  /** What left unserved costs no turn once nothing of the user waits. */
  private settle(user: string): void {
    if (this.waiting.some((request) => request.user === user)) return;
    for (const upstream of this.upstreams) {
      const mine = key(user, upstream);
      this.newest.set(mine, this.served.get(mine) ?? 0);
    }
  }

  private nextOf(upstream: Upstream): Request | undefined {
    const most = this.maxConcurrentPerUser || Infinity;
    return this.waiting
      .filter(({ rounds }) => rounds.has(upstream))
      .filter(({ user }) => this.running.filter((other) => other.user === user).length < most)
      .sort(
        (a, b) =>
          (a.rounds.get(upstream) ?? 0) - (b.rounds.get(upstream) ?? 0) || a.arrival - b.arrival,
      )[0];
  }

  private loadOf(upstream: Upstream): number {
    return this.running.filter((request) => request.upstream === upstream).length;
  }

  private isFree(upstream: Upstream): boolean {
    return this.loadOf(upstream) < upstream.slots;
  }
}

function key(user: string, upstream: Upstream): string {
  return JSON.stringify([user, upstream.name]);
}
