import * as fc from 'fast-check';
import type { Upstream } from '../../cast/upstream.js';
import { Admission, type AdmissionLimits, type Ticket } from './admission.js';

const NO_LIMITS: AdmissionLimits = { maxQueue: 1000, maxConcurrentPerUser: 0, maxQueuePerUser: 0 };

const upstreamOf = (name: string, slots: number): Upstream => ({ name, slots }) as Upstream;

/** A request that remembers what the line did with it. */
class Waiter implements Ticket {
  startedAt: Upstream | undefined;
  starts = 0;
  position: number | undefined;

  constructor(
    readonly user: string,
    public able: readonly Upstream[],
    private readonly onStart: (waiter: Waiter) => void = () => undefined,
  ) {}

  candidates(): readonly Upstream[] {
    return this.able;
  }
  prefers(): boolean {
    return false;
  }
  start(upstream: Upstream): void {
    this.startedAt = upstream;
    this.starts++;
    this.onStart(this);
  }
  moved(position: number): void {
    this.position = position;
  }
}

describe('the waiting line', () => {
  const one = upstreamOf('one', 1);

  it('starts a request at once where a slot is free, and lets the next one wait', () => {
    const line = new Admission([one], NO_LIMITS);
    const [first, second] = [new Waiter('a', [one]), new Waiter('b', [one])];
    expect(line.enter(first)).toBe(0);
    expect(line.enter(second)).toBe(1);
    expect(second.startedAt).toBeUndefined();
    line.release(first, one);
    expect(second.startedAt).toBe(one);
    expect(line.waiting).toBe(0);
  });

  it('gives each waiting user a turn before anybody has a second one', () => {
    const order: string[] = [];
    const line = new Admission([one], NO_LIMITS);
    const ask = (name: string): Waiter => {
      const waiter = new Waiter(name[0] ?? '', [one], () => order.push(name));
      line.enter(waiter);
      return waiter;
    };
    let running = ask('a0');
    const waiting = ['a1', 'a2', 'a3', 'b1', 'c1', 'b2'].map(ask);
    while (line.waiting > 0) {
      line.release(running, one);
      running = waiting.find(
        ({ starts }, at) => starts > 0 && order.at(-1) === ['a1', 'a2', 'a3', 'b1', 'c1', 'b2'][at],
      ) as Waiter;
    }
    expect(order).toEqual(['a0', 'a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
  });

  it('refuses what is over the line, and over the own share of a user', () => {
    const line = new Admission([one], { ...NO_LIMITS, maxQueue: 2, maxQueuePerUser: 1 });
    line.enter(new Waiter('a', [one]));
    line.enter(new Waiter('a', [one]));
    expect(line.refuses(new Waiter('a', [one]))).toBe('rate_limited');
    expect(line.refuses(new Waiter('b', [one]))).toBeUndefined();
    line.enter(new Waiter('b', [one]));
    expect(line.refuses(new Waiter('c', [one]))).toBe('queue_full');
  });

  it('lets a user wait at their own limit while others pass', () => {
    const two = upstreamOf('two', 2);
    const line = new Admission([two], { ...NO_LIMITS, maxConcurrentPerUser: 1 });
    const [first, second, other] = [
      new Waiter('a', [two]),
      new Waiter('a', [two]),
      new Waiter('b', [two]),
    ] as const;
    line.enter(first);
    expect(line.enter(second)).toBe(1);
    expect(line.enter(other)).toBe(0);
    line.release(first, two);
    expect(second.starts).toBe(1);
  });

  it('puts a request whose upstream failed before everybody else', () => {
    const line = new Admission([one], NO_LIMITS);
    const [unlucky, other] = [new Waiter('a', [one]), new Waiter('b', [one])];
    line.enter(unlucky);
    line.enter(other);
    const another = new Waiter('c', [one]);
    line.release(unlucky, one);
    line.reenter(unlucky);
    line.enter(another);
    line.release(other, one);
    expect(unlucky.starts).toBe(2);
    expect(another.starts).toBe(0);
  });
});

/** What can happen to the line. */
const event = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('arrive' as const),
      user: fc.integer({ min: 0, max: 4 }),
      able: fc.integer({ min: 1, max: 7 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('end' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('cancel' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('fail' as const), which: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('die' as const),
      upstream: fc.integer({ min: 0, max: 2 }),
    }),
  },
);

describe('the waiting line, whatever happens', () => {
  it('leaks no slot, starves nobody and leaves no slot free that somebody could use', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 3, maxLength: 3 }),
        fc.integer({ min: 0, max: 2 }),
        fc.array(event, { maxLength: 120 }),
        (slots, maxConcurrentPerUser, events) => {
          const upstreams = slots.map((count, at) => upstreamOf(`u${at}`, count));
          const line = new Admission(upstreams, { ...NO_LIMITS, maxConcurrentPerUser });
          const waiting = new Set<Waiter>();
          const running = new Set<Waiter>();
          const onStart = (started: Waiter): void => {
            waiting.delete(started);
            running.add(started);
          };
          const pick = (set: Set<Waiter>, which: number): Waiter | undefined =>
            [...set][which % Math.max(1, set.size)];
          const end = (waiter: Waiter): void => {
            running.delete(waiter);
            line.release(waiter, waiter.startedAt as Upstream);
          };

          for (const happens of events) {
            switch (happens.type) {
              case 'arrive': {
                const able = upstreams.filter((_, at) => (happens.able & (1 << at)) > 0);
                const waiter = new Waiter(`user ${happens.user}`, able, onStart);
                waiting.add(waiter);
                const position = line.enter(waiter);
                expect(position === 0).toBe(waiter.starts === 1);
                break;
              }
              case 'end': {
                const waiter = pick(running, happens.which);
                if (waiter !== undefined) end(waiter);
                break;
              }
              case 'cancel': {
                const waiter = pick(waiting, happens.which);
                if (waiter === undefined) break;
                line.leave(waiter);
                waiting.delete(waiter);
                break;
              }
              case 'fail': {
                const waiter = pick(running, happens.which);
                if (waiter === undefined) break;
                running.delete(waiter);
                waiting.add(waiter);
                line.release(waiter, waiter.startedAt as Upstream);
                line.reenter(waiter);
                break;
              }
              case 'die': {
                // Its waiting requests may go to any other; those that run on it end.
                const dead = upstreams[happens.upstream] as Upstream;
                for (const waiter of waiting) {
                  const others = waiter.able.filter((upstream) => upstream !== dead);
                  if (others.length > 0) waiter.able = others;
                }
                for (const waiter of running) if (waiter.startedAt === dead) end(waiter);
                line.dispatch();
                break;
              }
              default:
                happens satisfies never;
            }
            // No slot is used twice, none is free while somebody could use it.
            for (const upstream of upstreams) {
              const used = [...running].filter(({ startedAt }) => startedAt === upstream).length;
              expect(line.running(upstream)).toBe(used);
              expect(used).toBeLessThanOrEqual(upstream.slots);
              if (used === upstream.slots) continue;
              for (const waiter of waiting) {
                const mine = [...running].filter(({ user }) => user === waiter.user).length;
                const mayRun = maxConcurrentPerUser === 0 || mine < maxConcurrentPerUser;
                expect(mayRun && waiter.able.includes(upstream)).toBe(false);
              }
            }
            expect(line.waiting).toBe(waiting.size);
          }

          // Whoever still waits gets a turn once the others end.
          for (let rounds = 0; running.size > 0; rounds++) {
            expect(rounds).toBeLessThan(1000);
            end(pick(running, 0) as Waiter);
          }
          expect(waiting.size).toBe(0);
          for (const upstream of upstreams) expect(line.running(upstream)).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('lets a request wait for at most one turn of each other user on one upstream', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 60 }),
        fc.nat(59),
        (users, newcomerAfter) => {
          const one = upstreamOf('one', 1);
          const order: string[] = [];
          const line = new Admission([one], NO_LIMITS);
          const waiters: Waiter[] = [];
          let running: Waiter | undefined;
          const ask = (user: string): Waiter => {
            const waiter = new Waiter(user, [one], (started) => {
              running = started;
              order.push(started.user);
            });
            waiters.push(waiter);
            line.enter(waiter);
            return waiter;
          };
          const next = (): void => {
            if (running !== undefined) line.release(running, one);
          };
          users.slice(0, newcomerAfter).forEach((user) => ask(`user ${user}`));
          const from = order.length;
          const newcomer = ask('newcomer');
          users.slice(newcomerAfter).forEach((user) => ask(`user ${user}`));
          for (let turns = 0; newcomer.starts === 0; turns++) {
            expect(turns).toBeLessThan(100);
            next();
          }
          const before = order.slice(from, order.indexOf('newcomer'));
          expect(new Set(before).size).toBe(before.length);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('tells everybody the place at which they are then served', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 2, maxLength: 30 }),
        async (users) => {
          const one = upstreamOf('one', 1);
          const line = new Admission([one], NO_LIMITS);
          const served: Waiter[] = [];
          const waiters = users.map((user) => {
            const waiter = new Waiter(`user ${user}`, [one], (started) => served.push(started));
            line.enter(waiter);
            return waiter;
          });
          await new Promise((resolve) => setTimeout(resolve, 5));
          const told = waiters.map(({ position }) => position);
          while (served.length < waiters.length) line.release(served.at(-1) as Waiter, one);
          // Position 1 is the first to be served after the one that runs.
          expect(told).toEqual(
            waiters.map((waiter) => {
              const at = served.indexOf(waiter);
              return at === 0 ? undefined : at;
            }),
          );
        },
      ),
      { numRuns: 100 },
    );
  });
});
