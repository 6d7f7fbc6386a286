import { type BigIntStats, readFileSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Config } from '../config/config.js';
import { ConfigError } from '../config/config-error.js';
import type { Limits } from '../protocol/access.js';
import { KeyRing } from './key-ring.js';
import type { KeyPrincipal } from './principal.js';

/** How often the file is looked at: a key that was taken out is refused within a second. */
const LOOK_MS = 400;
/** How often the log says that the file is broken. */
const COMPLAIN_MS = 60_000;
/** Most bytes of the file. */
const MAX_FILE_BYTES = 16_777_216;

/**
 * The API keys of `API_KEYS_FILE`, read anew when the file changes. By its state and not by the
 * system's events: these do not come from network disks and mounted secrets. The state is that before
 * the last reading, so no change is missed. A file that is broken later changes nothing: the last good
 * one stays in force.
 */
@Injectable()
export class ApiKeys implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger('Access');
  private readonly path: string | undefined;
  private ring: KeyRing;
  /** The state of the file before it was read last. */
  private state = '';
  private looking: NodeJS.Timeout | undefined;
  private complaining: NodeJS.Timeout | undefined;
  private readonly listeners: (() => void)[] = [];
  private readonly onHangup = (): void => this.reload();

  /** @throws ConfigError for a file that is not there or broken */
  constructor({ API_KEYS_FILE: path }: Config) {
    this.path = path;
    try {
      this.ring = this.read();
    } catch (error) {
      throw new ConfigError(`API_KEYS_FILE ${path} cannot be used: ${reasonOf(error)}.`);
    }
  }

  onModuleInit(): void {
    if (this.path === undefined) return;
    this.lookLater(this.path);
    process.on('SIGHUP', this.onHangup);
  }

  onApplicationShutdown(): void {
    clearTimeout(this.looking);
    this.looking = undefined;
    process.off('SIGHUP', this.onHangup);
    clearInterval(this.complaining);
  }

  /** The backend that holds this key. */
  find(key: string): KeyPrincipal | undefined {
    return this.ring.find(key);
  }

  /** Whether the key of this principal is still in the file. */
  has(principal: KeyPrincipal): boolean {
    return this.ring.has(principal);
  }

  /** What a tenant may use in all. */
  limitsOf(tenant: string): Limits {
    return this.ring.limitsOf(tenant);
  }

  /** Whether there is a key of this id: with a new one in place of an old one its tokens stay good. */
  knows(id: string): boolean {
    return this.path === undefined || this.ring.knows(id);
  }

  /** What may be used with a key, and with the tokens that it had made. */
  limitsOfKey(id: string): Limits {
    return this.ring.limitsOfKey(id);
  }

  /** Tells of each new content of the file. */
  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  private lookLater(path: string): void {
    this.looking = setTimeout(() => void this.look(path), LOOK_MS).unref();
  }

  private async look(path: string): Promise<void> {
    const state = stateOf(await stat(path, { bigint: true }).catch(() => undefined));
    if (this.looking === undefined) return;
    if (state !== this.state) this.reload();
    this.lookLater(path);
  }

  private reload(): void {
    try {
      this.ring = this.read();
    } catch (error) {
      this.complain(error);
      return;
    }
    clearInterval(this.complaining);
    this.complaining = undefined;
    this.logger.log('API_KEYS_FILE was read anew');
    for (const listener of this.listeners) listener();
  }

  private read(): KeyRing {
    if (this.path === undefined) return new KeyRing('');
    // Where this fails, the same as when a look fails.
    this.state = '';
    this.state = stateOf(statSync(this.path, { bigint: true }));
    const bytes = readFileSync(this.path);
    if (bytes.length > MAX_FILE_BYTES) throw new Error(`more than ${MAX_FILE_BYTES} bytes`);
    return new KeyRing(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  }

  /** Now, and once a minute while it stays so. */
  private complain(error: unknown): void {
    const say = (): void =>
      this.logger.error(
        `API_KEYS_FILE cannot be used (${reasonOf(error)}); the last good one stays in force`,
      );
    clearInterval(this.complaining);
    this.complaining = setInterval(say, COMPLAIN_MS).unref();
    say();
  }
}

/** Whatever of a file changes with its content; empty where there is none. */
function stateOf(stats: BigIntStats | undefined): string {
  return stats === undefined ? '' : `${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`;
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
