import { Injectable } from '@nestjs/common';
import { Config } from '../config/config.js';
import type { Limits } from '../protocol/access.js';
import { CastError } from '../protocol/errors.js';
import { AccessStore, type Allowance } from './access-store.js';
import { ApiKeys } from './api-keys.js';
import { keyOf, ownerOf, type Principal } from './principal.js';
import { WindowCounter } from './window-counter.js';

const DAY_MS = 86_400_000;
/**
 * When a socket that was one too many may try again, in milliseconds. A connection that was cut counts
 * until the heartbeat notices, 25 seconds at most: a client that lost its own waits no longer than that.
 */
export const SOCKETS_RETRY_MS = 2_000;

/** Something that is counted, and what it may use. */
interface Account {
  readonly name: string;
  readonly limits: Limits;
}

/** Tokens that were reserved at a start. */
export interface Reservation {
  /** Gives back what was not used, or takes what was used besides. Once. */
  settle(tokens: number): Promise<void>;
  /** There was no start: nothing was used. */
  cancel(): Promise<void>;
}

/**
 * What each principal may use: its user by the settings, or by its own credential; the key and the
 * tenant besides, where limits are set for them. Callers without a credential have no account.
 */
@Injectable()
export class UsageLimits {
  private readonly usual: Limits;
  private readonly starts: WindowCounter;
  private readonly joins: WindowCounter;
  private readonly tokens: WindowCounter;

  constructor(
    config: Config,
    private readonly keys: ApiKeys,
    private readonly store: AccessStore,
  ) {
    this.starts = new WindowCounter(store.window('starts', 60));
    this.joins = new WindowCounter(store.window('joins', 10));
    this.tokens = new WindowCounter(store.window('tokens', (2 * DAY_MS) / 1000));
    this.usual = {
      startsPerMinute: config.LIMIT_STARTS_PER_MINUTE,
      running: config.LIMIT_RUNNING,
      waiting: config.LIMIT_WAITING,
      sockets: config.LIMIT_SOCKETS,
      tokensPerDay: config.LIMIT_TOKENS_PER_DAY,
      joinsPer10s: config.LIMIT_JOINS_PER_10S,
    };
  }

  /** The accounts that pay for what a principal does, its user's first. */
  accountsOf(principal: Principal): Account[] {
    switch (principal.kind) {
      case 'user': {
        if (principal.token === undefined) return [];
        const { tenant, limits } = principal;
        const user = this.user(ownerOf(principal), limits);
        return [user, ...this.key(keyOf(principal)), ...this.tenant(tenant)];
      }
      case 'key': {
        const { tenant, keyId, userId, limits } = principal;
        const key = { name: `key ${keyId}`, limits };
        return userId === undefined
          ? [{ ...key, limits: { ...this.usual, ...limits } }, ...this.tenant(tenant)]
          : [this.user(ownerOf(principal), {}), key, ...this.tenant(tenant)];
      }
      case 'link':
        return [this.user(`link ${principal.generationId}`, {}), ...this.tenant(principal.tenant)];
      default:
        return [];
    }
  }

  /** The accounts, and how many each may have that run and wait at one time; see {@link accountsOf}. */
  lineAccounts(principal: Principal): {
    name: string;
    running: number | undefined;
    waiting: number | undefined;
  }[] {
    return this.accountsOf(principal).map(({ name, limits: { running, waiting } }) => ({
      name,
      running,
      waiting,
    }));
  }

  /** The limits in force for a principal itself. */
  limitsOf(principal: Principal): Limits {
    return this.accountsOf(principal)[0]?.limits ?? {};
  }

  /**
   * Counts a start, and reserves the most tokens that it can use.
   * @throws CastError `rate_limited`, `quota_exceeded`, with `retryAfterMs`; `store_unavailable`
   */
  async start(principal: Principal, tokens: number): Promise<Reservation> {
    const accounts = this.accountsOf(principal);
    const starts = allowances(accounts, 'startsPerMinute');
    const quota = daily(accounts);
    const wait = await this.starts.take(starts, 1);
    if (wait !== undefined) throw limited('You have started as many as you may in a minute.', wait);
    try {
      if ((await this.tokens.take(quota, tokens)) !== undefined) {
        throw new CastError('quota_exceeded', { retryAfterMs: DAY_MS - (Date.now() % DAY_MS) });
      }
    } catch (error) {
      await this.starts.adjust(starts, -1);
      throw error;
    }
    return this.reserved(starts, quota, tokens);
  }

  /** What was taken at a start on another node. */
  resume(principal: Principal, tokens: number): Reservation {
    const accounts = this.accountsOf(principal);
    return this.reserved(allowances(accounts, 'startsPerMinute'), daily(accounts), tokens);
  }

  private reserved(starts: Allowance[], quota: Allowance[], tokens: number): Reservation {
    return {
      settle: (used) => this.tokens.adjust(quota, used - tokens),
      cancel: async () => {
        await this.starts.adjust(starts, -1);
        await this.tokens.adjust(quota, -tokens);
      },
    };
  }

  /**
   * Counts that a generation is read from its beginning. What runs is read also while it cannot be counted.
   * @throws CastError `rate_limited`
   */
  async join(principal: Principal): Promise<void> {
    const accounts = this.accountsOf(principal);
    const wait = await this.joins.take(allowances(accounts, 'joinsPer10s'), 1).catch(unlessAway);
    if (wait !== undefined) throw limited('You have joined as often as you may.', wait);
  }

  /**
   * Counts an open socket.
   * @returns to be called when it is closed
   * @throws CastError `rate_limited`
   */
  async openSocket(principal: Principal): Promise<() => void> {
    const accounts = this.accountsOf(principal);
    if (accounts.length === 0) return nothing;
    const close = await this.store.openSocket(allowances(accounts, 'sockets'));
    if (close !== undefined) return close;
    throw limited('You have as many sockets open as you may.', SOCKETS_RETRY_MS);
  }

  /** What is left to a principal, where there is a limit. @throws CastError `store_unavailable` */
  async left(principal: Principal): Promise<{ startsThisMinute?: number; tokensToday?: number }> {
    const accounts = this.accountsOf(principal);
    const starts = await this.starts.left(allowances(accounts, 'startsPerMinute'));
    const tokens = await this.tokens.left(daily(accounts));
    return {
      ...(starts !== undefined && { startsThisMinute: starts }),
      ...(tokens !== undefined && { tokensToday: tokens }),
    };
  }

  private user(name: string | undefined, own: Limits): Account {
    return { name: `user ${name}`, limits: { ...this.usual, ...own } };
  }

  /** That of a key, for what is done with a token that it had made. */
  private key(id: string | undefined): Account[] {
    return id === undefined ? [] : [{ name: `key ${id}`, limits: this.keys.limitsOfKey(id) }];
  }

  private tenant(tenant: string): Account[] {
    return [{ name: `tenant ${tenant}`, limits: this.keys.limitsOf(tenant) }];
  }
}

/** To be called for what is not counted. */
const nothing = (): void => undefined;

function allowances(accounts: readonly Account[], limit: keyof Limits): Allowance[] {
  return accounts.map(({ name, limits }) => ({ name, most: limits[limit] }));
}

/** The tokens of this day: each has a count of its own. */
function daily(accounts: readonly Account[]): Allowance[] {
  if (accounts.length === 0) return [];
  const day = new Date().toISOString().slice(0, 10);
  return accounts.map(({ name, limits }) => ({
    name: `${day} ${name}`,
    most: limits.tokensPerDay,
  }));
}

/** Lets through what cannot be checked now. */
function unlessAway(error: unknown): undefined {
  if (!(error instanceof CastError && error.code === 'store_unavailable')) throw error;
}

function limited(message: string, retryAfterMs?: number): CastError {
  return new CastError('rate_limited', {
    message,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}
