import { Crowd } from './support/crowd.js';
import { faultSuite } from './support/fault-suite.js';
import { Fleet } from './support/fleet.js';
import { endOf, nodeOf } from './support/ledger.js';

/** Clients that ask and read meanwhile; `npm run soak` says 60. */
const CLIENTS = Number(process.env['ROLLING_CLIENTS'] ?? 10);
const DRAIN_MS = 2_000;
/** Some answers are longer than the drain. */
const LONGEST_MS = 3_000;

faultSuite('a rolling restart', ({ often, stage: open, closeLater }) => {
  often('of three nodes leaves every answer whole that is no longer than the drain', async () => {
    // No node is taken for dead because the machine is busy.
    const env = { DRAIN_MS, MAX_CONCURRENT: CLIENTS - 2, NODE_LEASE_MS: 10_000 };
    const stage = await open({ env });
    const fleet = closeLater(await Fleet.start(stage, 3));
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => stage.connect(fleet)));
    const crowd = new Crowd(clients, stage.upstream, LONGEST_MS);
    const old = [...fleet.well];
    for (const node of old) await fleet.replace(node);
    await crowd.stop();
    expect(crowd.problems).toEqual([]);
    expect(crowd.outcomes.length).toBeGreaterThanOrEqual(CLIENTS);
    const cutShort = crowd.outcomes.filter((outcome) => endOf(outcome) !== 'completed');
    // Where Redis did not have its end in time, another node says that its node is gone.
    for (const outcome of cutShort) {
      expect(endOf(outcome)).toMatch(/^interrupted, node_(shutdown|lost)$/);
    }
    // Each had all of the time that was promised, at the node where it was born at the least.
    const hadLess = cutShort.filter((outcome) => {
      const toldToGoAt = fleet.toldToGoAt.get(nodeOf(outcome)) ?? Infinity;
      return outcome.endedAt - toldToGoAt < DRAIN_MS * 0.95;
    });
    expect(hadLess).toEqual([]);
  });
});
