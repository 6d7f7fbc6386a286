import { setTimeout as sleep } from 'node:timers/promises';
import { Cadence } from './cadence.js';
import { BURST, EventBudget } from './event-budget.js';

describe('the budget of events', () => {
  it('has some at once, and then one for each interval', async () => {
    const begun = performance.now();
    const cadence = new Cadence();
    const budget = new EventBudget(cadence);
    expect(budget.take(BURST)).toBe(true);
    for (let later = 0; later < 5; later++) while (!budget.take(1)) await sleep(1);
    expect(performance.now() - begun).toBeGreaterThanOrEqual(5 * cadence.intervalMs);
  });

  it('takes all or nothing', () => {
    const budget = new EventBudget(new Cadence());
    expect(budget.take(BURST + 1)).toBe(false);
    expect(budget.take(BURST)).toBe(true);
  });

  it('says how long the next one has to wait, one interval at most', () => {
    const begun = performance.now();
    const cadence = new Cadence();
    const budget = new EventBudget(cadence);
    const rests = Array.from({ length: 1000 }, () => {
      budget.spend();
      return budget.restMs;
    });
    // The machine may stand still in between: each interval that passes brings one event.
    const intervals = (performance.now() - begun) / cadence.intervalMs;
    expect(rests.filter((restMs) => restMs === 0).length).toBeLessThanOrEqual(BURST + intervals);
    expect(rests.findIndex((restMs) => restMs > 0)).toBeGreaterThanOrEqual(BURST);
    expect(Math.max(...rests)).toBeGreaterThan(0);
    expect(Math.max(...rests)).toBeLessThanOrEqual(cadence.intervalMs);
  });
});
