import { setTimeout as sleep } from 'node:timers/promises';
import { slotKeeperContract } from '../../../test/support/slot-keeper-contract.js';
import { upstreamOf, Waiter } from '../../../test/support/waiter.js';
import { MemorySlotKeeper } from './memory-slot-keeper.js';

slotKeeperContract(
  'MemorySlotKeeper',
  async (upstreams, limits) => ({
    keeper: new MemorySlotKeeper(upstreams, limits),
    settle: () => undefined,
    close: () => undefined,
  }),
  300,
);

const UNLIMITED = { maxQueue: 100_000, maxConcurrentPerUser: 0, maxQueuePerUser: 0 };

/** A keeper with one slot, which is taken, and so many waiting requests of 50 users. */
function crowded(waiting: number): { keeper: MemorySlotKeeper; all: Waiter[]; started: Waiter[] } {
  const one = upstreamOf('one', 1);
  const keeper = new MemorySlotKeeper([one], UNLIMITED);
  const started: Waiter[] = [];
  const all = Array.from(
    { length: waiting + 1 },
    (_, at) => new Waiter(`user ${at % 50}`, [one], (waiter) => started.push(waiter)),
  );
  for (const waiter of all) keeper.enter(waiter);
  return { keeper, all, started };
}

/** Milliseconds that the middle one of so many acts takes: a pause of the machine is not the line's. */
function median(times: number, act: (at: number) => void): number {
  const costs = Array.from({ length: times }, (_, at) => {
    const begun = performance.now();
    act(at);
    return performance.now() - begun;
  });
  return costs.sort((a, b) => a - b)[times >> 1] ?? Infinity;
}

/** What each of the two costs, by the better of several looks at either. */
function leastOf(cost: (waiting: number) => number): [few: number, many: number] {
  // What runs first is compiled in it.
  cost(300);
  const looks = Array.from({ length: 5 }, () => [cost(300), cost(3000)] as const);
  return [Math.min(...looks.map(([few]) => few)), Math.min(...looks.map(([, many]) => many))];
}

describe('MemorySlotKeeper', () => {
  it('asks a ticket for its candidates when it enters and before it starts, and nobody else', () => {
    const { keeper, all, started } = crowded(1000);
    expect(all.every(({ asked }) => asked === 1)).toBe(true);
    keeper.release(started[0] as Waiter);
    expect(started).toHaveLength(2);
    expect(all.filter(({ asked }) => asked > 1)).toEqual([started[1]]);
    expect(started[1]?.asked).toBe(2);
  });

  it('starts who has waited long enough for an upstream that knows his conversation, though nothing else happens', async () => {
    const patient = Array.from({ length: 100 }, (_, at) => {
      const [known, free] = [upstreamOf('known', 1), upstreamOf('free', 1)];
      const keeper = new MemorySlotKeeper([known, free], UNLIMITED);
      keeper.enter(new Waiter('before', [known]));
      const savings = new Map([[known, 50 + at / 7]]);
      const waiter = Object.assign(new Waiter('patient', [known, free]), { savings, turnMs: 1 });
      keeper.enter(waiter);
      return waiter;
    });
    expect(patient.filter(({ starts }) => starts > 0)).toEqual([]);
    // A timer that is due after all of theirs.
    await sleep(150);
    expect(patient.filter(({ startedAt }) => startedAt?.name !== 'free')).toEqual([]);
  });

  it('starts nobody on an upstream that has gone since, and lets that ticket wait for others', () => {
    const [gone, other] = [upstreamOf('gone', 1), upstreamOf('other', 1)];
    const keeper = new MemorySlotKeeper([gone, other], UNLIMITED);
    const [first, second] = [new Waiter('a', [gone]), new Waiter('b', [other])];
    const moves = new Waiter('c', [gone]);
    for (const waiter of [first, second, moves]) keeper.enter(waiter);
    moves.able = [other];
    keeper.release(first);
    expect(moves.starts).toBe(0);
    keeper.release(second);
    expect(moves.startedAt).toBe(other);
  });

  // Ten times as many wait: a walk through the line would cost ten times as much.
  it('takes no longer to enter behind 3,000 than behind 300: far below a millisecond', () => {
    const cost = (waiting: number): number => {
      const { keeper, all } = crowded(waiting);
      // Half of them are new, and stand at the front; half stand behind their own others.
      const late = Array.from(
        { length: 500 },
        (_, at) => new Waiter(`user ${at % 100}`, all[0]?.able ?? []),
      );
      return median(late.length, (at) => keeper.enter(late[at] as Waiter));
    };
    const [few, many] = leastOf(cost);
    expect(many).toBeLessThan(4 * few + 0.01);
    expect(many).toBeLessThan(1);
  });

  it('takes no longer to give a slot to the next of 3,000 than to the next of 300', () => {
    const cost = (waiting: number): number => {
      const { keeper, started } = crowded(waiting);
      return median(waiting, () => keeper.release(started.at(-1) as Waiter));
    };
    const [few, many] = leastOf(cost);
    expect(many).toBeLessThan(4 * few + 0.01);
  });
});
