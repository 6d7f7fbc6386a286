import * as fc from 'fast-check';
import type { Upstream } from '../../src/cast/upstream.js';
import type { LineLimits, SlotKeeper } from '../../src/generations/line/slot-keeper.js';
import { LinePolicy } from './line-policy.js';
import { until } from './until.js';
import { upstreamOf, Waiter } from './waiter.js';

/** A keeper under test. */
export interface KeeperUnderTest {
  keeper: SlotKeeper;
  /** Resolves when every ticket has been told what was decided before. */
  settle: () => void | Promise<void>;
  close: () => void | Promise<void>;
}

const NO_LIMITS: LineLimits = { maxQueue: 1000, maxConcurrentPerUser: 0, maxQueuePerUser: 0 };
const USERS = 5;

const arrive = fc.record({
  type: fc.constant('arrive' as const),
  user: fc.nat(USERS - 1),
  able: fc.integer({ min: 1, max: 7 }),
});
const end = fc.record({ type: fc.constant('end' as const), which: fc.nat() });
const cancel = fc.record({ type: fc.constant('cancel' as const), which: fc.nat() });
const fail = fc.record({ type: fc.constant('fail' as const), which: fc.nat() });
const die = fc.record({ type: fc.constant('die' as const), upstream: fc.nat(2) });
/** What can happen to the line. */
const event = fc.oneof(
  { weight: 5, arbitrary: arrive },
  { weight: 4, arbitrary: end },
  { weight: 1, arbitrary: cancel },
  { weight: 1, arbitrary: fail },
);

const pick = <T>(all: Iterable<T>, which: number): T | undefined => {
  const list = [...all];
  return list[which % Math.max(1, list.length)];
};

/**
 * What every keeper of slots does, wherever it keeps them: the policy of docs/architecture.md, "The
 * waiting line".
 * @param make a keeper with nothing running and nobody waiting
 * @param numRuns random sequences for each property
 */
export function slotKeeperContract(
  name: string,
  make: (upstreams: readonly Upstream[], limits: LineLimits) => Promise<KeeperUnderTest>,
  numRuns: number,
): void {
  const withKeeper = async (
    upstreams: readonly Upstream[],
    limits: Partial<LineLimits>,
    act: (keeper: SlotKeeper, settle: () => void | Promise<void>) => Promise<void>,
  ): Promise<void> => {
    const { keeper, settle, close } = await make(upstreams, { ...NO_LIMITS, ...limits });
    try {
      await act(keeper, settle);
    } finally {
      await close();
    }
  };
  const one = upstreamOf('one', 1);

  describe(`${name} as a keeper of slots`, () => {
    it('starts a request at once where a slot is free, and lets the next one wait', async () => {
      await withKeeper([one], {}, async (keeper, settle) => {
        const [first, second] = [new Waiter('a', [one]), new Waiter('b', [one])];
        expect(await keeper.enter(first)).toBe(0);
        expect(await keeper.enter(second)).toBe(1);
        await settle();
        expect([first.starts, second.starts]).toEqual([1, 0]);
        expect(await keeper.view()).toEqual({
          waiting: 1,
          maxWaiting: NO_LIMITS.maxQueue,
          upstreams: [{ name: 'one', running: 1, slots: 1, waiting: 1 }],
        });
        await keeper.release(first);
        await settle();
        expect(second.startedAt).toBe(one);
        expect(await keeper.view()).toMatchObject({ waiting: 0, upstreams: [{ running: 1 }] });
      });
    });

    it('frees a slot once, however often it is given back, and takes a ticket out once', async () => {
      await withKeeper([one], {}, async (keeper, settle) => {
        const [first, second, third] = ['a', 'b', 'c'].map((user) => new Waiter(user, [one]));
        for (const waiter of [first, second, third]) await keeper.enter(waiter as Waiter);
        for (let times = 0; times < 3; times++) await keeper.release(first as Waiter);
        await keeper.leave(first as Waiter);
        await settle();
        expect([second?.starts, third?.starts]).toEqual([1, 0]);
        for (let times = 0; times < 3; times++) await keeper.leave(third as Waiter);
        await keeper.release(third as Waiter);
        await settle();
        expect(await keeper.view()).toMatchObject({ waiting: 0, upstreams: [{ running: 1 }] });
      });
    });

    it('gives each waiting user a turn before anybody has a second one', async () => {
      await withKeeper([one], {}, async (keeper, settle) => {
        const order = await serve(keeper, settle, one, ['a', 'a', 'a', 'a', 'b', 'c', 'b']);
        expect(order).toEqual(['a', 'b', 'c', 'a', 'b', 'a', 'a']);
      });
    });

    it('remembers the turn of a user of whom nothing waits any more', async () => {
      await withKeeper([one], {}, async (keeper, settle) => {
        const runs = new Waiter('a', [one]);
        await keeper.enter(runs);
        // Of user a nothing waits, but a had this round's turn: b, who came later, goes first.
        const [again, other] = [new Waiter('a', [one]), new Waiter('b', [one])];
        await keeper.enter(again);
        expect(await keeper.enter(other)).toBe(1);
        await keeper.release(runs);
        await settle();
        expect([again.starts, other.starts]).toEqual([0, 1]);
      });
    });

    it('charges no turn for requests that left the line unserved', async () => {
      await withKeeper([one], {}, async (keeper, settle) => {
        await keeper.enter(new Waiter('runs', [one]));
        const many = Array.from({ length: 20 }, () => new Waiter('a', [one]));
        for (const waiter of many) await keeper.enter(waiter);
        for (const waiter of many) await keeper.leave(waiter);
        for (const waiter of [0, 1].map(() => new Waiter('b', [one]))) await keeper.enter(waiter);
        await settle();
        // Behind the first of b, before the second.
        expect(await keeper.enter(new Waiter('a', [one]))).toBe(2);
      });
    });

    it('counts turns for each upstream: who used another one much is not behind here', async () => {
      const [here, there] = [upstreamOf('here', 1), upstreamOf('there', 1)];
      await withKeeper([here, there], {}, async (keeper, settle) => {
        await keeper.enter(new Waiter('x', [here]));
        for (let turn = 0; turn < 30; turn++) {
          const waiter = new Waiter('busy', [there]);
          await keeper.enter(waiter);
          await keeper.release(waiter);
        }
        for (let at = 0; at < 5; at++) await keeper.enter(new Waiter('many', [here]));
        await settle();
        expect(await keeper.enter(new Waiter('late', [here]))).toBe(2);
        expect(await keeper.enter(new Waiter('busy', [here]))).toBe(3);
      });
    });

    it('refuses what is over the line, and over the own share of a user', async () => {
      await withKeeper([one], { maxQueue: 2, maxQueuePerUser: 1 }, async (keeper, settle) => {
        const enter = async (user: string): Promise<number> =>
          keeper.enter(new Waiter(user, [one]));
        expect(await enter('a')).toBe(0);
        expect(await enter('a')).toBe(1);
        await expect(enter('a')).rejects.toMatchObject({ code: 'rate_limited' });
        expect(await enter('b')).toBe(1);
        await expect(enter('c')).rejects.toMatchObject({ code: 'queue_full' });
        await settle();
        expect(await keeper.view()).toMatchObject({ waiting: 2 });
      });
    });

    it('refuses nobody whom it can start', async () => {
      await withKeeper([one], { maxQueue: 0, maxQueuePerUser: 1 }, async (keeper) => {
        expect(await keeper.enter(new Waiter('a', [one]))).toBe(0);
      });
    });

    it('passes a user over who is at the own limit, and is not blocked by that user', async () => {
      const two = upstreamOf('two', 2);
      await withKeeper([two], { maxConcurrentPerUser: 1 }, async (keeper, settle) => {
        const [first, second, other] = ['a', 'a', 'b'].map((user) => new Waiter(user, [two]));
        await keeper.enter(first as Waiter);
        expect(await keeper.enter(second as Waiter)).toBe(1);
        expect(await keeper.enter(other as Waiter)).toBe(0);
        await keeper.release(first as Waiter);
        await settle();
        expect(second?.starts).toBe(1);
      });
    });

    it('holds what an account may have running and waiting, whoever its users are', async () => {
      const four = upstreamOf('four', 4);
      const ofTenant = (user: string): Waiter => {
        const waiter = new Waiter(user, [four]);
        waiter.accounts = [
          { name: 'tenant shop', running: 2, waiting: 1 },
          { name: `user ${user}`, running: undefined, waiting: undefined },
        ];
        return waiter;
      };
      await withKeeper([four], {}, async (keeper, settle) => {
        const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(ofTenant) as [Waiter, Waiter, Waiter, Waiter];
        expect(await keeper.enter(a)).toBe(0);
        expect(await keeper.enter(b)).toBe(0);
        // Two slots are free, and not for the shop.
        expect(await keeper.enter(c)).toBe(1);
        const refused = async (): Promise<number> => keeper.enter(d);
        await expect(refused()).rejects.toMatchObject({ code: 'rate_limited' });
        const other = new Waiter('e', [four]);
        expect(await keeper.enter(other)).toBe(0);
        await settle();
        expect([c.starts, other.starts]).toEqual([0, 1]);
        await keeper.release(a);
        await settle();
        expect(c.starts).toBe(1);
        // What waited waits no more.
        expect(await keeper.enter(d)).toBe(1);
        await keeper.leave(d);
        await keeper.release(b);
        await settle();
        expect(await keeper.enter(ofTenant('f'))).toBe(0);
      });
    });

    it('puts a request whose upstream failed before everybody else, and never refuses it', async () => {
      await withKeeper([one], { maxQueue: 2, maxQueuePerUser: 1 }, async (keeper, settle) => {
        const [unlucky, other, own] = ['a', 'b', 'a'].map((user) => new Waiter(user, [one]));
        for (const waiter of [unlucky, other, own]) await keeper.enter(waiter as Waiter);
        await keeper.release(unlucky as Waiter);
        await keeper.enter(new Waiter('c', [one]));
        await keeper.reenter(unlucky as Waiter);
        await settle();
        expect(await keeper.view()).toMatchObject({ waiting: 3 });
        await keeper.release(other as Waiter);
        await settle();
        expect([unlucky?.starts, own?.starts]).toEqual([2, 0]);
      });
    });

    it('takes the preferred of the free upstreams, else the least busy one', async () => {
      const [big, small] = [upstreamOf('big', 4), upstreamOf('small', 2)];
      await withKeeper([big, small], {}, async (keeper, settle) => {
        const waiters = Array.from({ length: 4 }, (_, at) => new Waiter(`${at}`, [big, small]));
        (waiters[1] as Waiter).preferred = big;
        for (const waiter of waiters) await keeper.enter(waiter);
        await settle();
        expect(waiters.map(({ startedAt }) => startedAt?.name)).toEqual([
          'big',
          'big',
          'small',
          'big',
        ]);
      });
    });

    it('takes of the free upstreams one that saves time, unless another has the model loaded', async () => {
      const able = [upstreamOf('big', 4), upstreamOf('small', 2), upstreamOf('third', 2)];
      const saves = fc.array(fc.constantFrom(0, 10, 500, 515, 1_000), {
        minLength: able.length,
        maxLength: able.length,
      });
      const preferred = fc.option(fc.nat(able.length - 1));
      const busy = fc.array(fc.nat(1), { minLength: able.length, maxLength: able.length });
      await fc.assert(
        fc.asyncProperty(saves, preferred, busy, async (saved, loaded, runs) => {
          await withKeeper(able, {}, async (keeper, settle) => {
            for (const [at, upstream] of able.entries()) {
              for (let run = 0; run < runs[at]!; run++)
                await keeper.enter(new Waiter('x', [upstream]));
            }
            const waiter = new Waiter('a', able);
            waiter.savings = new Map(able.map((upstream, at) => [upstream, saved[at]!]));
            waiter.preferred = loaded === null ? undefined : able[loaded];
            await keeper.enter(waiter);
            await settle();
            const most = Math.max(...saved);
            const best = able
              .map((upstream, at) => ({ upstream, load: runs[at]! / upstream.slots, at }))
              .filter(({ at }) => most - saved[at]! < 20)
              .reduce((one, other) => (other.load < one.load ? other : one));
            expect(waiter.startedAt?.name).toBe((waiter.preferred ?? best.upstream).name);
          });
        }),
        { numRuns },
      );
    });

    /** A request whose conversation a busy upstream knows, while another one is free. */
    const patient = (known: Upstream, free: Upstream, savedMs: number, turnMs?: number): Waiter => {
      const waiter = new Waiter('patient', [known, free]);
      waiter.savings = new Map([[known, savedMs]]);
      waiter.turnMs = turnMs;
      return waiter;
    };
    const [known, free] = [upstreamOf('known', 1), upstreamOf('free', 1)];

    it('lets a request pass a free slot while the upstream that knows it is free sooner', async () => {
      await withKeeper([known, free], {}, async (keeper, settle) => {
        const before = new Waiter('a', [known]);
        await keeper.enter(before);
        const waiter = patient(known, free, 60_000, 1_000);
        expect(await keeper.enter(waiter)).toBe(1);
        // It blocks nobody.
        const other = new Waiter('b', [free]);
        await keeper.enter(other);
        await settle();
        expect([waiter.starts, other.starts]).toEqual([0, 1]);
        await keeper.release(before);
        await settle();
        expect(waiter.startedAt).toBe(known);
      });
    });

    it('lets it pass none where the turns of others take longer than that upstream saves', async () => {
      await withKeeper([known, free], {}, async (keeper, settle) => {
        await keeper.enter(new Waiter('a', [known]));
        const waiter = patient(known, free, 500, 1_000);
        await keeper.enter(waiter);
        await settle();
        expect(waiter.startedAt).toBe(free);
      });
    });

    it('lets it pass none where the one that is free has the model loaded, and that one has not', async () => {
      await withKeeper([known, free], {}, async (keeper, settle) => {
        await keeper.enter(new Waiter('a', [known]));
        const waiter = patient(known, free, 60_000);
        waiter.preferred = free;
        await keeper.enter(waiter);
        await settle();
        expect(waiter.startedAt).toBe(free);
      });
    });

    it('gives it what is free when it has waited for as long as that upstream saves', async () => {
      await withKeeper([known, free], {}, async (keeper) => {
        await keeper.enter(new Waiter('a', [known]));
        const waiter = patient(known, free, 100);
        expect(await keeper.enter(waiter)).toBe(1);
        expect(waiter.starts).toBe(0);
        // Nothing else happens: neither a beat nor another request.
        await until(() => waiter.starts > 0);
        expect(waiter.startedAt).toBe(free);
      });
    });

    it('lets one pass nothing that may not wait, or whose upstream has failed', async () => {
      await withKeeper([known, free], { maxQueue: 0 }, async (keeper, settle) => {
        await keeper.enter(new Waiter('a', [known]));
        const waiter = patient(known, free, 60_000);
        expect(await keeper.enter(waiter)).toBe(0);
        await settle();
        expect(waiter.startedAt).toBe(free);
        await keeper.release(waiter);
        await keeper.reenter(waiter);
        await settle();
        expect(waiter.starts).toBe(2);
      });
    });

    it('lets a request wait that nobody can serve, until somebody can', async () => {
      await withKeeper([one], {}, async (keeper, settle) => {
        const waiter = new Waiter('a', []);
        expect(await keeper.enter(waiter)).toBe(1);
        await keeper.dispatch();
        await settle();
        expect(await keeper.view()).toMatchObject({ waiting: 1, upstreams: [{ waiting: 0 }] });
        waiter.able = [one];
        await keeper.dispatch();
        await settle();
        expect(waiter.startedAt).toBe(one);
      });
    });

    it('starts requests in the order of their places, whatever happens', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
          fc.nat(2),
          fc.array(event, { maxLength: 60 }),
          async (slots, maxConcurrentPerUser, events) => {
            const upstreams = slots.map((count, at) => upstreamOf(`u${at}`, count));
            const policy = new LinePolicy(upstreams, maxConcurrentPerUser);
            await withKeeper(upstreams, { maxConcurrentPerUser }, async (keeper, settle) => {
              const started: string[] = [];
              const [waiting, running] = [new Set<Waiter>(), new Set<Waiter>()];
              const onStart = (waiter: Waiter): void => {
                waiting.delete(waiter);
                running.add(waiter);
                started.push(waiter.id);
              };
              for (const happens of events) {
                if (happens.type === 'arrive') {
                  const able = upstreams.filter((_, at) => (happens.able & (1 << at)) > 0);
                  const waiter = new Waiter(`user ${happens.user}`, able, onStart);
                  waiting.add(waiter);
                  policy.enter(waiter.id, waiter.user, able);
                  await keeper.enter(waiter);
                } else if (happens.type === 'cancel') {
                  const waiter = pick(waiting, happens.which);
                  if (waiter === undefined) continue;
                  waiting.delete(waiter);
                  policy.leave(waiter.id);
                  await keeper.leave(waiter);
                } else {
                  const waiter = pick(running, happens.which);
                  if (waiter === undefined) continue;
                  running.delete(waiter);
                  policy.release(waiter.id);
                  await keeper.release(waiter);
                  await settle();
                  if (happens.type === 'fail') {
                    waiting.add(waiter);
                    policy.reenter(waiter.id, waiter.user, waiter.able);
                    await keeper.reenter(waiter);
                  }
                }
                await settle();
                expect(started).toEqual(policy.started);
              }
            });
          },
        ),
        { numRuns },
      );
    });

    it('leaks no slot, starves nobody and leaves no slot free that somebody could use', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 3, maxLength: 3 }),
          fc.nat(2),
          fc.array(fc.oneof({ weight: 11, arbitrary: event }, { weight: 1, arbitrary: die }), {
            maxLength: 100,
          }),
          async (slots, maxConcurrentPerUser, events) => {
            const upstreams = slots.map((count, at) => upstreamOf(`u${at}`, count));
            await withKeeper(upstreams, { maxConcurrentPerUser }, async (keeper, settle) => {
              const [waiting, running] = [new Set<Waiter>(), new Set<Waiter>()];
              const onStart = (started: Waiter): void => {
                waiting.delete(started);
                running.add(started);
              };
              const finish = async (waiter: Waiter): Promise<void> => {
                running.delete(waiter);
                await keeper.release(waiter);
                await settle();
              };
              const expectTight = async (): Promise<void> => {
                const { waiting: count, upstreams: views } = await keeper.view();
                expect(count).toBe(waiting.size);
                for (const [at, upstream] of upstreams.entries()) {
                  const used = [...running].filter(
                    ({ startedAt }) => startedAt === upstream,
                  ).length;
                  expect(views[at]?.running).toBe(used);
                  expect(used).toBeLessThanOrEqual(upstream.slots);
                  const able = [...waiting].filter((waiter) => waiter.able.includes(upstream));
                  expect(views[at]?.waiting).toBe(able.length);
                  if (used === upstream.slots) continue;
                  for (const { user } of able) {
                    const own = [...running].filter((other) => other.user === user).length;
                    expect(maxConcurrentPerUser > 0 && own >= maxConcurrentPerUser).toBe(true);
                  }
                }
              };

              for (const happens of events) {
                switch (happens.type) {
                  case 'arrive': {
                    const able = upstreams.filter((_, at) => (happens.able & (1 << at)) > 0);
                    const waiter = new Waiter(`user ${happens.user}`, able, onStart);
                    waiting.add(waiter);
                    const position = await keeper.enter(waiter);
                    await settle();
                    expect(position === 0).toBe(waiter.starts === 1);
                    break;
                  }
                  case 'end': {
                    const waiter = pick(running, happens.which);
                    if (waiter !== undefined) await finish(waiter);
                    break;
                  }
                  case 'cancel': {
                    const waiter = pick(waiting, happens.which);
                    if (waiter === undefined) break;
                    waiting.delete(waiter);
                    await keeper.leave(waiter);
                    break;
                  }
                  case 'fail': {
                    const waiter = pick(running, happens.which);
                    if (waiter === undefined) break;
                    await finish(waiter);
                    waiting.add(waiter);
                    await keeper.reenter(waiter);
                    break;
                  }
                  case 'die': {
                    // Its waiting requests may go to any other; those that run on it end.
                    const dead = upstreams[happens.upstream] as Upstream;
                    for (const waiter of waiting) {
                      const others = waiter.able.filter((upstream) => upstream !== dead);
                      if (others.length > 0) waiter.able = others;
                    }
                    await keeper.dispatch();
                    await settle();
                    for (const waiter of running) {
                      if (waiter.startedAt === dead) await finish(waiter);
                    }
                    break;
                  }
                  default:
                    happens satisfies never;
                }
                await settle();
                await expectTight();
              }

              // Whoever still waits gets a turn once the others end.
              for (let rounds = 0; running.size > 0; rounds++) {
                expect(rounds).toBeLessThan(1000);
                await finish(pick(running, 0) as Waiter);
              }
              expect(waiting.size).toBe(0);
              await expectTight();
            });
          },
        ),
        { numRuns },
      );
    });

    it('lets a request wait for at most one turn of each other user on one upstream', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.nat(5), { minLength: 1, maxLength: 60 }),
          fc.nat(59),
          fc.array(fc.boolean(), { maxLength: 30 }),
          async (users, newcomerAfter, servedBefore) => {
            await withKeeper([one], {}, async (keeper, settle) => {
              const order: Waiter[] = [];
              const ask = async (user: string): Promise<Waiter> => {
                const waiter = new Waiter(user, [one], (started) => order.push(started));
                await keeper.enter(waiter);
                return waiter;
              };
              const next = async (): Promise<void> => {
                await keeper.release(order.at(-1) as Waiter);
                await settle();
              };
              for (const [at, user] of users.slice(0, newcomerAfter).entries()) {
                await ask(`user ${user}`);
                if (servedBefore[at] === true) await next();
              }
              await settle();
              const from = order.length;
              const newcomer = await ask('newcomer');
              for (const user of users.slice(newcomerAfter)) await ask(`user ${user}`);
              for (let turns = 0; newcomer.starts === 0; turns++) {
                expect(turns).toBeLessThan(100);
                await next();
              }
              const before = order.slice(from, order.indexOf(newcomer)).map(({ user }) => user);
              expect(new Set(before).size).toBe(before.length);
            });
          },
        ),
        { numRuns },
      );
    });

    it('tells everybody the position at which they are then served', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.nat(4), { minLength: 2, maxLength: 30 }), async (users) => {
          const policy = new LinePolicy([one], 0);
          await withKeeper([one], {}, async (keeper, settle) => {
            const waiters = users.map((user) => new Waiter(`user ${user}`, [one]));
            for (const waiter of waiters) {
              policy.enter(waiter.id, waiter.user, [one]);
              await keeper.enter(waiter);
            }
            for (const id of policy.started) policy.release(id);
            await until(async () => {
              await settle();
              return waiters.every(({ id, position = 0 }) => policy.started[position] === id);
            });
          });
        }),
        { numRuns: Math.ceil(numRuns / 3) },
      );
    });
  });
}

/** Lets these users enter in this order, and serves them one by one. @returns the order of service */
async function serve(
  keeper: SlotKeeper,
  settle: () => void | Promise<void>,
  upstream: Upstream,
  users: readonly string[],
): Promise<string[]> {
  const served: Waiter[] = [];
  for (const user of users) {
    await keeper.enter(new Waiter(user, [upstream], (waiter) => served.push(waiter)));
  }
  for (let at = 0; at < users.length; at++) {
    await keeper.release(served[at] as Waiter);
    await settle();
  }
  return served.map(({ user }) => user);
}
