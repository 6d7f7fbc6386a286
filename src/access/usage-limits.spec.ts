import * as fc from 'fast-check';
import { fraction } from '../../test/support/fraction.js';
import { loadConfig } from '../config/load.js';
import type { Limits } from '../protocol/access.js';
import type { CastError } from '../protocol/errors.js';
import { ApiKeys } from './api-keys.js';
import { MemoryAccessStore } from './memory-access-store.js';
import type { KeyPrincipal, UserPrincipal } from './principal.js';
import { UsageLimits } from './usage-limits.js';

const user = (sub: string, limits: Limits = {}): UserPrincipal => ({
  kind: 'user',
  tenant: 'shop',
  sub,
  scopes: ['start'],
  limits,
  token: { id: undefined, issuedAt: 0, expiresAt: 9e9 },
});
const key = (limits: Limits, userId?: string): KeyPrincipal => ({
  kind: 'key',
  tenant: 'shop',
  keyId: 'shop',
  sha256: '',
  createdAt: 0,
  scopes: ['start'],
  limits,
  ...(userId !== undefined && { userId }),
});

/** @param tenant what the tenant may use in all */
function usageLimits(env: Record<string, string> = {}, tenant: Limits = {}): UsageLimits {
  const config = loadConfig({ LIMIT_STARTS_PER_MINUTE: '3', ...env });
  const keys = Object.assign(new ApiKeys(config), { limitsOf: () => tenant });
  return new UsageLimits(config, keys, new MemoryAccessStore());
}

async function refusal(act: Promise<unknown>): Promise<string | undefined> {
  try {
    await act;
    return undefined;
  } catch (error) {
    return (error as CastError).code;
  }
}

describe('the limits of a principal', () => {
  it('are those of the settings, where its credential says nothing', async () => {
    const usage = usageLimits();
    for (let n = 0; n < 3; n++) expect(await refusal(usage.start(user('ada'), 0))).toBeUndefined();
    expect(await refusal(usage.start(user('ada'), 0))).toBe('rate_limited');
    expect(await refusal(usage.start(user('bob'), 0))).toBeUndefined();
  });

  it('are those of its credential, and 0 is none', async () => {
    const usage = usageLimits();
    const free = user('ada', { startsPerMinute: 0 });
    for (let n = 0; n < 9; n++) expect(await refusal(usage.start(free, 0))).toBeUndefined();
    const bound = user('bob', { startsPerMinute: 1 });
    expect(await refusal(usage.start(bound, 0))).toBeUndefined();
    expect(await refusal(usage.start(bound, 0))).toBe('rate_limited');
  });

  it('say when to come back', async () => {
    const usage = usageLimits({ LIMIT_TOKENS_PER_DAY: '100' });
    const error = await usage.start(user('ada'), 101).catch((error: CastError) => error);
    expect(error).toMatchObject({ code: 'quota_exceeded', retryable: true });
    expect((error as CastError).retryAfterMs).toBeLessThanOrEqual(86_400_000);
    await usage.start(user('eve', { startsPerMinute: 1 }), 0);
    const limited = await usage
      .start(user('eve', { startsPerMinute: 1 }), 0)
      .catch((error: CastError) => error);
    expect((limited as CastError).retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  it('of a tenant hold over the sum of its users', async () => {
    const usage = usageLimits({}, { startsPerMinute: 4 });
    for (const sub of ['a', 'b', 'c', 'd']) {
      expect(await refusal(usage.start(user(sub), 0))).toBeUndefined();
    }
    expect(await refusal(usage.start(user('e'), 0))).toBe('rate_limited');
    expect(await refusal(usage.start(key({}, 'f'), 0))).toBe('rate_limited');
  });

  it('count a key for the user it acts for, and for itself only where it has some', async () => {
    const usage = usageLimits();
    for (let n = 0; n < 3; n++) await usage.start(key({}, 'ada'), 0);
    expect(await refusal(usage.start(key({}, 'ada'), 0))).toBe('rate_limited');
    expect(await refusal(usage.start(key({}, 'bob'), 0))).toBeUndefined();
    expect(await refusal(usage.start(key({ startsPerMinute: 1 }, 'eve'), 0))).toBeUndefined();
    expect(await refusal(usage.start(key({ startsPerMinute: 1 }, 'dan'), 0))).toBe('rate_limited');
  });

  it('count a key that acts for nobody as one user', async () => {
    const usage = usageLimits();
    for (let n = 0; n < 3; n++) await usage.start(key({}), 0);
    expect(await refusal(usage.start(key({}), 0))).toBe('rate_limited');
  });

  it('bind nobody without a credential', async () => {
    const usage = usageLimits({ LIMIT_TOKENS_PER_DAY: '1' });
    for (let n = 0; n < 9; n++) await usage.start({ kind: 'rest' }, 1000);
    for (let n = 0; n < 9; n++) await usage.join({ kind: 'socket' });
    for (let n = 0; n < 99; n++) await usage.openSocket({ kind: 'socket' });
  });

  it('bound sockets, and closed ones count no more', async () => {
    const usage = usageLimits({ LIMIT_SOCKETS: '2' });
    const closeFirst = await usage.openSocket(user('ada'));
    await usage.openSocket(user('ada'));
    await expect(usage.openSocket(user('ada'))).rejects.toThrow('sockets');
    closeFirst();
    await usage.openSocket(user('ada'));
  });

  it('bound joins', async () => {
    const usage = usageLimits({ LIMIT_JOINS_PER_10S: '2' });
    await usage.join(user('ada'));
    await usage.join(user('ada'));
    expect(await refusal(usage.join(user('ada')))).toBe('rate_limited');
  });
});

describe('tokens a day', () => {
  it('are reserved at the start, and what was not used is given back', async () => {
    const usage = usageLimits({ LIMIT_TOKENS_PER_DAY: '100' });
    const first = await usage.start(user('ada'), 60);
    expect(await refusal(usage.start(user('ada'), 60))).toBe('quota_exceeded');
    await first.settle(10);
    expect(await usage.left(user('ada'))).toMatchObject({ tokensToday: 90 });
    expect(await refusal(usage.start(user('ada'), 60))).toBeUndefined();
  });

  it('count what was used beyond the reservation', async () => {
    const usage = usageLimits({ LIMIT_TOKENS_PER_DAY: '100' });
    await (await usage.start(user('ada'), 10)).settle(95);
    expect(await usage.left(user('ada'))).toMatchObject({ tokensToday: 5 });
    expect(await refusal(usage.start(user('ada'), 10))).toBe('quota_exceeded');
  });

  it('a refused start takes nothing', async () => {
    const usage = usageLimits({ LIMIT_TOKENS_PER_DAY: '100' });
    expect(await refusal(usage.start(user('ada'), 200))).toBe('quota_exceeded');
    await (await usage.start(user('ada'), 50)).cancel();
    expect(await usage.left(user('ada'))).toEqual({ startsThisMinute: 3, tokensToday: 100 });
  });

  it('are never overdrawn by starts, whatever ends when', async () => {
    const step = fc.record({
      reserve: fc.integer({ min: 1, max: 60 }),
      used: fraction,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const usage = usageLimits({ LIMIT_TOKENS_PER_DAY: '200', LIMIT_STARTS_PER_MINUTE: '0' });
        let used = 0;
        const open: { reserve: number; settle: () => Promise<void> }[] = [];
        for (const { reserve, used: share } of steps) {
          const reservation = await usage.start(user('ada'), reserve).catch(() => undefined);
          if (reservation === undefined) {
            const held = open.reduce((sum, one) => sum + one.reserve, 0);
            expect(used + held + reserve).toBeGreaterThan(200);
            const done = open.shift();
            await done?.settle();
            continue;
          }
          const spent = Math.floor(reserve * share);
          open.push({
            reserve,
            settle: async () => {
              used += spent;
              await reservation.settle(spent);
            },
          });
        }
        for (const { settle } of open) await settle();
        expect(used).toBeLessThanOrEqual(200);
        expect(await usage.left(user('ada'))).toMatchObject({ tokensToday: 200 - used });
      }),
      { numRuns: 50 },
    );
  });
});
