import { Crowd } from './support/crowd.js';
import { faultSuite } from './support/fault-suite.js';
import { Fleet } from './support/fleet.js';
import { endOf } from './support/ledger.js';

/** Clients that ask and read meanwhile; `npm run soak` says 60. */
const CLIENTS = Number(process.env['ROLLING_CLIENTS'] ?? 20);
const DRAIN_MS = 3_000;
/** Some answers are longer than the drain. */
const LONGEST_MS = 4_500;

faultSuite('a rolling restart', ({ often, stage: open, closeLater }) => {
  often('of three nodes leaves every answer whole that is no longer than the drain', async () => {
    const stage = await open({ env: { DRAIN_MS, MAX_CONCURRENT: CLIENTS - 4 } });
    const fleet = closeLater(await Fleet.start(stage, 3));
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => stage.connect(fleet)));
    const crowd = new Crowd(clients, stage.upstream, LONGEST_MS);
    const old = [...fleet.well];
    for (const node of old) await fleet.replace(node);
    await crowd.stop();
    expect(crowd.problems).toEqual([]);
    expect(crowd.outcomes.length).toBeGreaterThanOrEqual(CLIENTS);
    for (const outcome of crowd.outcomes) {
      if (endOf(outcome) === 'completed') continue;
      expect(endOf(outcome)).toBe('interrupted, node_shutdown');
      expect(outcome.takesMs).toBeGreaterThan(DRAIN_MS);
    }
    // Nobody was sent away.
    expect(clients.flatMap(({ refusals }) => refusals)).toEqual([]);
  });
});
