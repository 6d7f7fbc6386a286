import { performance } from 'node:perf_hooks';

/** How much a process has worked, as shares of the time that passed. */
export interface Work {
  /**
   * Of the event loop, 0 to 1: also what it waits for a core that others use. While the reads of
   * connections are paused it says too much: when one of them has something to read, libuv
   * (uv__io_poll) wakes for nothing and begins to count its sleep anew.
   */
  readonly loop: number;
  /** CPU time of all threads: over 1 where more than one works. */
  readonly cpu: number;
}

/** How much this process works. */
export class Workload {
  private at = performance.now();
  private loop = performance.eventLoopUtilization();
  private cpu = process.cpuUsage();

  /** How much it has worked since the last call. */
  sinceLast(): Work {
    const before = this.at;
    this.at = performance.now();
    const { utilization } = performance.eventLoopUtilization(this.loop);
    this.loop = performance.eventLoopUtilization();
    const { user, system } = process.cpuUsage(this.cpu);
    this.cpu = process.cpuUsage();
    return { loop: utilization, cpu: (user + system) / 1_000 / (this.at - before) };
  }
}
