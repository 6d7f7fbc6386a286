import { Logger } from '@nestjs/common';
import { createLocalJWKSet, createRemoteJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import { CastError } from '../protocol/errors.js';

/** Longest time the key set may take to come. */
const FETCH_MS = 2_000;
/** Least time between two fetches, also where one failed. */
const PAUSE_MS = 30_000;
/** The same while there are no keys at all. */
const FIRST_PAUSE_MS = 1_000;
/** From which age on it is fetched anew. */
const MAX_AGE_MS = 600_000;

/**
 * The public keys at `JWT_JWKS_URL`. A new `kid` is looked for at once, at most every half minute;
 * while the address does not answer, the keys that there are go on to serve.
 */
export class JwksKeys {
  private readonly logger = new Logger('Access');
  private readonly remote;
  private local: { at: number; get: JWTVerifyGetKey } | undefined;
  private triedAt = Number.NEGATIVE_INFINITY;
  private trying: Promise<void> | undefined;

  constructor(url: string) {
    this.remote = createRemoteJWKSet(new URL(url), {
      timeoutDuration: FETCH_MS,
      cooldownDuration: PAUSE_MS,
      cacheMaxAge: MAX_AGE_MS,
    });
  }

  /** @throws CastError `unauthorized`, retryable, while there are no keys at all */
  readonly get: JWTVerifyGetKey = async (header, token) => {
    if (this.local === undefined) await this.refresh();
    else if (Date.now() - this.local.at > MAX_AGE_MS) void this.refresh();
    const { local } = this;
    if (local === undefined) throw new CastError('unauthorized', NO_KEYS);
    try {
      return await local.get(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.refresh();
      if (this.local === local) throw error;
      return this.local?.get(header, token) ?? Promise.reject(error);
    }
  };

  /** Fetches the key set, unless that was tried lately. Never throws. */
  private async refresh(): Promise<void> {
    const pause = this.local === undefined ? FIRST_PAUSE_MS : PAUSE_MS;
    if (this.trying === undefined && Date.now() - this.triedAt >= pause) {
      this.triedAt = Date.now();
      this.trying = this.fetch().finally(() => (this.trying = undefined));
    }
    await this.trying;
  }

  private async fetch(): Promise<void> {
    try {
      await this.remote.reload();
      const keys = this.remote.jwks();
      if (keys !== undefined) this.local = { at: Date.now(), get: createLocalJWKSet(keys) };
    } catch (error) {
      this.logger.error(`JWT_JWKS_URL cannot be read: ${(error as Error).message}`);
    }
  }
}

const NO_KEYS = {
  message: 'The token cannot be verified now: its keys cannot be fetched.',
  retryable: true,
};
