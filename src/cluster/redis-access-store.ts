import { AccessStore, type Allowance, type Window } from '../access/access-store.js';
import type { Revocation } from '../access/revocations.js';
import type { RedisClient } from './redis.js';
import { RedisWindow } from './redis-window.js';
import { RevocationLog } from './revocation-log.js';
import { SocketCounts } from './socket-counts.js';

/** What all nodes know of callers together, in Redis. */
export class RedisAccessStore extends AccessStore {
  private readonly windows: RedisWindow[] = [];
  private readonly sockets: SocketCounts;
  private readonly revocations: RevocationLog;

  constructor(
    private readonly redis: RedisClient,
    node: string,
  ) {
    super();
    this.sockets = new SocketCounts(redis, node);
    this.revocations = new RevocationLog(redis);
  }

  window(name: string, seconds: number): Window {
    const window = new RedisWindow(this.redis, name, seconds);
    this.windows.push(window);
    return window;
  }

  openSocket(accounts: readonly Allowance[]): Promise<(() => void) | undefined> {
    return this.sockets.open(accounts);
  }

  keep(revocation: Revocation): Promise<void> {
    return this.revocations.write(revocation);
  }

  onRevoked(listener: (revocation: Revocation) => void): void {
    this.revocations.onRead(listener);
  }

  /** Reads what other nodes have taken back. @throws CastError `store_unavailable` */
  beat(): Promise<void> {
    return this.revocations.beat();
  }

  close(): void {
    this.sockets.close();
    for (const window of this.windows) window.close();
  }
}
