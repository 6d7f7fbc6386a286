import { createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Config } from '../config/config.js';
import { accessSettings } from '../config/access-settings.js';
import { readEnvFile } from '../config/env-file.js';

/** Keys for one kind of token: the first signs, all verify. */
type Keys = readonly [KeyObject, ...KeyObject[]];

/**
 * The secrets that sign and verify tokens: `JWT_SECRET` itself, and two that are derived from it
 * (HKDF, RFC 5869), so that no token of one kind can be taken for one of another. Without
 * `JWT_SECRET` the derived ones last as long as the process.
 */
@Injectable()
export class Secrets implements OnApplicationShutdown {
  private readonly logger = new Logger('Access');
  private readonly listeners: (() => void)[] = [];
  private readonly reread = (): void => this.reload();
  private readonly isFromFile: boolean;
  private readonly random = randomBytes(32);
  /** Of `JWT_SECRET`; undefined where tokens are verified otherwise. */
  jwt: Keys | undefined;
  /** For the tokens of `POST /auth/token`. */
  minted!: Keys;
  /** For links to one generation. */
  link!: Keys;

  constructor({ JWT_SECRET }: Config) {
    this.set(JWT_SECRET);
    this.isFromFile = JWT_SECRET !== undefined && isDeepEqual(fromFile(), JWT_SECRET);
    if (this.isFromFile) process.on('SIGHUP', this.reread);
  }

  onApplicationShutdown(): void {
    process.off('SIGHUP', this.reread);
  }

  /** Tells of new secrets. */
  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** Takes `JWT_SECRET` from `.env` anew, where it came from. */
  private reload(): void {
    const secrets = fromFile();
    if (secrets === undefined) {
      this.logger.error('JWT_SECRET in .env cannot be used; the last one stays in force');
      return;
    }
    this.set(secrets);
    for (const listener of this.listeners) listener();
    this.logger.log('JWT_SECRET was read anew');
  }

  private set(secrets: readonly string[] | undefined): void {
    const raw = secrets?.map((secret) => Buffer.from(secret)) ?? [this.random];
    const derived = (purpose: string): Keys =>
      raw.map((secret) =>
        createSecretKey(Buffer.from(hkdfSync('sha256', secret, 'llm-cast', purpose, 32))),
      ) as unknown as Keys;
    this.jwt =
      secrets === undefined
        ? undefined
        : (raw.map((secret) => createSecretKey(secret)) as unknown as Keys);
    this.minted = derived('token of a user');
    this.link = derived('link to a generation');
  }
}

function fromFile(): readonly string[] | undefined {
  try {
    return accessSettings.JWT_SECRET.safeParse(readEnvFile('.env')['JWT_SECRET']).data;
  } catch {
    return undefined;
  }
}

function isDeepEqual(left: readonly string[] | undefined, right: readonly string[]): boolean {
  return left?.join(',') === right.join(',');
}
