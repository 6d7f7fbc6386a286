import { Injectable, Logger } from '@nestjs/common';
import { Config, hasCredentials } from '../config/config.js';
import { CastError } from '../protocol/errors.js';
import { authorise, type Verb } from './authorise.js';
import type { Principal } from './principal.js';

/** What is written down. */
export type AuditEvent =
  'auth.failed' | 'start' | 'denied' | 'cancel' | 'share' | 'token' | 'revoke' | 'limit';

/** Where it happened; never a token, a prompt or an answer. */
export interface AuditFields {
  address?: string | undefined;
  requestId?: string | undefined;
  generationId?: string | undefined;
  /** The code of a refusal. */
  code?: string | undefined;
  /** Of what was denied. */
  verb?: string | undefined;
  /** Of what was revoked. */
  revoked?: object | undefined;
}

type Asking = { principal: Principal } & Pick<AuditFields, 'requestId' | 'address'>;

/** Writes a line of the log for each act of a caller, where there are credentials. */
@Injectable()
export class Audit {
  private readonly logger = new Logger('Audit');
  private readonly isOn: boolean;

  constructor(config: Config) {
    this.isOn = hasCredentials(config);
  }

  write(event: AuditEvent, principal: Principal | undefined, fields: AuditFields = {}): void {
    if (!this.isOn) return;
    const line = { ...whoIs(principal), ...fields };
    this.logger.log(
      event,
      Object.fromEntries(Object.entries(line).filter(([, value]) => value !== undefined)),
    );
  }

  /**
   * Lets through what the principal may do, and writes down a refusal.
   * @param asking a caller; or a principal, and where its request comes from
   * @throws CastError `forbidden`
   */
  authorise(asking: Asking, verb: Verb): void {
    this.decide(asking, verb, () => authorise(asking.principal, verb));
  }

  /** Decides whether something may be, and writes down a refusal. @throws what `decision` throws */
  decide<Result>(
    { principal, requestId, address }: Asking,
    verb: Verb,
    decision: () => Result,
  ): Result {
    try {
      return decision();
    } catch (error) {
      throw this.refused(error, principal, { verb, requestId, address });
    }
  }

  /** Writes down a refusal for want of a right, or over a limit. @returns the same error, to be thrown */
  refused(error: unknown, principal: Principal | undefined, fields: AuditFields): unknown {
    const event = eventOf(error);
    if (event !== undefined) {
      this.write(event, principal, { ...fields, code: (error as CastError).code });
    }
    return error;
  }
}

/** Under which event a refusal is written down; none for what is no question of rights or limits. */
function eventOf(error: unknown): AuditEvent | undefined {
  switch (error instanceof CastError ? error.code : undefined) {
    case 'forbidden':
      return 'denied';
    case 'rate_limited':
    case 'quota_exceeded':
      return 'limit';
    default:
      return undefined;
  }
}

function whoIs(principal: Principal | undefined): object {
  switch (principal?.kind) {
    case 'key':
      return { tenant: principal.tenant, key: principal.keyId, sub: principal.userId };
    case 'user':
      return { tenant: principal.tenant, sub: principal.sub, jti: principal.token?.id };
    case 'link':
      return { tenant: principal.tenant, link: principal.generationId, jti: principal.token.id };
    default:
      return {};
  }
}
