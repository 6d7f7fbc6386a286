// npm run soak [-- --times 20]              each fault of a cluster so many times, and a rolling restart under
//                                           60 clients
// npm run soak -- --chaos [--minutes 60]    three nodes, a fault every few seconds; a ledger at the end
// Both on every engine that is installed (Redis, Valkey), one after the other; --engine Redis for one of them.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    times: { type: 'string', default: '20' },
    chaos: { type: 'boolean', default: false },
    minutes: { type: 'string', default: '60' },
    engine: { type: 'string' },
  },
});
const env = options.chaos
  ? { CHAOS_SECONDS: String(60 * Number(options.minutes)) }
  : { SOAK_TIMES: options.times, ROLLING_CLIENTS: '60' };
const files = options.chaos
  ? ['--testMatch', '**/test/chaos.soak-spec.ts', '--']
  : ['test/cluster-(ends|faults|store-faults|handover|rolling)'];
const engines = options.engine === undefined ? ['Redis', 'Valkey'] : [options.engine];
const jest = ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js'];
for (const ENGINE of engines) {
  const { status } = spawnSync(process.execPath, [...jest, '--runInBand', ...files], {
    env: { ...process.env, ...env, ENGINE },
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = status ?? 1;
}
