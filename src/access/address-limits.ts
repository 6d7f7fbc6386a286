import { Injectable } from '@nestjs/common';
import { Config, hasCredentials } from '../config/config.js';
import { CastError } from '../protocol/errors.js';
import { networkOf } from './address.js';
import { MemoryAccessStore } from './memory-access-store.js';
import { SOCKETS_RETRY_MS } from './usage-limits.js';
import { WindowCounter } from './window-counter.js';

/** The time in which handshakes are counted, in seconds. */
const WINDOW_S = 10;

/**
 * What one address may do before it is known who asks, where callers prove who they are. It protects this
 * process: each node counts for itself.
 */
@Injectable()
export class AddressLimits {
  private readonly store = new MemoryAccessStore();
  private readonly handshakes = new WindowCounter(this.store.window('handshakes', WINDOW_S));
  private readonly isOn: boolean;

  constructor(private readonly config: Config) {
    this.isOn = hasCredentials(config);
  }

  /** Counts a handshake. @throws CastError `rate_limited` */
  async handshake(address: string): Promise<void> {
    if (!this.isOn) return;
    const most = this.config.LIMIT_HANDSHAKES_PER_10S;
    const wait = await this.handshakes.take([{ name: networkOf(address), most }], 1);
    if (wait === undefined) return;
    throw new CastError('rate_limited', { message: TOO_MANY, retryAfterMs: wait });
  }

  /** Counts an open socket. @returns to be called when it is closed @throws CastError `rate_limited` */
  async openSocket(address: string): Promise<() => void> {
    const most = this.config.LIMIT_SOCKETS_PER_ADDRESS;
    if (!this.isOn || most === 0) return () => undefined;
    const close = await this.store.openSocket([{ name: networkOf(address), most }]);
    if (close !== undefined) return close;
    throw new CastError('rate_limited', { message: TOO_MANY, retryAfterMs: SOCKETS_RETRY_MS });
  }
}

const TOO_MANY = 'Too many connections came from this address.';
