import { RateLimiterMemory } from 'rate-limiter-flexible';
import { AccessStore, type Allowance, type Window } from './access-store.js';

/** A process alone: a restart begins anew. */
export class MemoryAccessStore extends AccessStore {
  private readonly sockets = new Map<string, number>();

  window(_name: string, seconds: number): Window {
    return new MemoryWindow(seconds);
  }

  openSocket(accounts: readonly Allowance[]): Promise<(() => void) | undefined> {
    const isFull = accounts.some(({ name, most }) => most && (this.sockets.get(name) ?? 0) >= most);
    if (isFull) return Promise.resolve(undefined);
    for (const { name } of accounts) this.sockets.set(name, (this.sockets.get(name) ?? 0) + 1);
    return Promise.resolve(() => {
      for (const { name } of accounts) {
        const open = (this.sockets.get(name) ?? 0) - 1;
        if (open > 0) this.sockets.set(name, open);
        else this.sockets.delete(name);
      }
    });
  }

  /** Nobody else has to know. */
  keep(): Promise<void> {
    return Promise.resolve();
  }

  onRevoked(): void {}
}

class MemoryWindow implements Window {
  private readonly limiter: RateLimiterMemory;

  constructor(seconds: number) {
    // Each account has a limit of its own, which is compared elsewhere.
    this.limiter = new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, duration: seconds });
  }

  async take(name: string, amount: number): Promise<{ used: number; endsInMs: number }> {
    const { consumedPoints, msBeforeNext } = await this.limiter.penalty(name, amount);
    return { used: consumedPoints, endsInMs: msBeforeNext };
  }

  async correct(name: string, amount: number): Promise<void> {
    await this.limiter.penalty(name, amount);
  }

  async used(name: string): Promise<number> {
    return (await this.limiter.get(name))?.consumedPoints ?? 0;
  }
}
