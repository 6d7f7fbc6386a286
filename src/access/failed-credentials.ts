import { Injectable } from '@nestjs/common';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { Config } from '../config/config.js';
import { CastError } from '../protocol/errors.js';
import { networkOf } from './address.js';

/** The time in which they are counted, in seconds. */
const WINDOW_S = 60;

/**
 * Bad credentials of one address. Only further bad ones are refused: behind one address there may be
 * many clients, of which one is broken.
 */
@Injectable()
export class FailedCredentials {
  private readonly limiter: RateLimiterMemory;
  private readonly most: number;

  constructor({ LIMIT_FAILED_TOKENS_PER_MINUTE }: Config) {
    this.most = LIMIT_FAILED_TOKENS_PER_MINUTE;
    this.limiter = new RateLimiterMemory({ points: this.most, duration: WINDOW_S });
  }

  /** @returns what to refuse with instead, once there were too many */
  async count(address: string): Promise<CastError | undefined> {
    if (this.most === 0) return undefined;
    const { consumedPoints, msBeforeNext } = await this.limiter.penalty(networkOf(address));
    if (consumedPoints <= this.most) return undefined;
    return new CastError('rate_limited', {
      message: 'Too many bad credentials came from this address.',
      retryAfterMs: msBeforeNext,
    });
  }
}
