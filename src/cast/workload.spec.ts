import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../test/support/until.js';
import { Workload } from './workload.js';

const CPU_MS = 100;

describe('the workload', () => {
  it('is what was done since it was last asked for, and not what was done before', async () => {
    const workload = new Workload();
    const from = performance.now();
    const before = process.cpuUsage();
    while (process.cpuUsage(before).user < CPU_MS * 1_000);
    const busy = workload.sinceLast();
    expect(busy.loop).toBeGreaterThan(0.99);
    expect(busy.cpu * (performance.now() - from)).toBeGreaterThan(CPU_MS);

    // A busy machine wakes it late: then it did not sleep.
    await until(async () => {
      await sleep(CPU_MS);
      const idle = workload.sinceLast();
      return idle.loop < busy.loop && idle.cpu < busy.cpu;
    });
  });
});
