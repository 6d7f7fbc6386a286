import { setTimeout as sleep } from 'node:timers/promises';
import { Cadence } from './cadence.js';
import { BURST, EventBudget } from './event-budget.js';

describe('the budget of events', () => {
  it('has some at once, and then one for each interval', async () => {
    const cadence = new Cadence();
    const budget = new EventBudget(cadence);
    expect(budget.take(BURST)).toBe(true);
    expect(budget.take(1)).toBe(false);
    const begun = performance.now();
    while (!budget.take(1)) await sleep(1);
    expect(performance.now() - begun).toBeGreaterThan(cadence.intervalMs - 5);
  });

  it('takes all or nothing', () => {
    const budget = new EventBudget(new Cadence());
    expect(budget.take(BURST + 1)).toBe(false);
    expect(budget.take(BURST)).toBe(true);
  });

  it('says how long the next one has to wait, one interval at most', () => {
    const cadence = new Cadence();
    const budget = new EventBudget(cadence);
    for (let event = 0; event < BURST; event++) expect(budget.spend()).toBe(0);
    for (let event = 0; event < 3; event++) {
      const restMs = budget.spend();
      expect(restMs).toBeGreaterThan(cadence.intervalMs / 2);
      expect(restMs).toBeLessThanOrEqual(cadence.intervalMs);
    }
  });
});
