import { setTimeout as sleep } from 'node:timers/promises';
import { Chaos } from './support/chaos.js';
import { LEASE_MS } from './support/cluster-stage.js';
import { Crowd } from './support/crowd.js';
import { faultSuite } from './support/fault-suite.js';
import { Fleet } from './support/fleet.js';
import { ledgerOf } from './support/ledger.js';

/** How long faults are made on each engine, in seconds; `npm run soak -- --chaos` says how long. */
const SECONDS = Number(process.env['CHAOS_SECONDS'] ?? 60);
const CLIENTS = 16;
const LONGEST_MS = 6_000;
/** How long after its lease a dead node is named at the latest, in milliseconds. */
const NAMED_MS = 2_000;
/** What else a test of a few seconds takes, in milliseconds. */
const MORE_MS = 300_000;

faultSuite('three nodes in chaos', ({ stage: open, closeLater }) => {
  it(
    'lose nothing that was kept, repeat nothing, and give each answer one end',
    async () => {
      const stage = await open({
        redis: ['--appendonly', 'yes'],
        // Some answers are longer than the drain, and some requests wait.
        env: { DRAIN_MS: 3_000, MAX_CONCURRENT: CLIENTS - 4, RETAIN_MS: 60_000 },
      });
      const fleet = closeLater(await Fleet.start(stage, 3));
      const clients = await Promise.all(
        Array.from({ length: CLIENTS }, () => stage.connect(fleet)),
      );
      const crowd = new Crowd(clients, stage.upstream, LONGEST_MS);
      const from = performance.now();
      const chaos = new Chaos(stage, fleet);
      await sleep(SECONDS * 1_000);
      await chaos.stop();
      await crowd.stop();
      const failed = chaos.problems.map((what) => ({ what, at: performance.now() }));
      const problems = [...failed, ...crowd.problems];
      const seconds = Math.round((performance.now() - from) / 1_000);
      const ledger = ledgerOf(seconds, chaos.faults, crowd.outcomes, problems);
      process.stderr.write(`${JSON.stringify(ledger, undefined, 2)}\n`);
      expect(ledger.problems).toEqual([]);
      expect(ledger.answers).toBeGreaterThan(CLIENTS);
      expect(ledger.named.longest).toBeLessThan(LEASE_MS + NAMED_MS);
      const ends = ['completed', 'interrupted, node_lost', 'interrupted, node_shutdown'];
      expect(ends).toEqual(expect.arrayContaining(Object.keys(ledger.ends)));
    },
    SECONDS * 1_000 + MORE_MS,
  );
});
