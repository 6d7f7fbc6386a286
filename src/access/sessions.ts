import { Injectable } from '@nestjs/common';
import { CastError } from '../protocol/errors.js';
import { ApiKeys } from './api-keys.js';
import { keyOf, type Principal } from './principal.js';
import { Revocations } from './revocations.js';
import { CLOCK_TOLERANCE_S } from './token-verifier.js';

/** Longest wait that one timer can have, in milliseconds. */
const MAX_TIMER_MS = 2_147_483_647;

/** Something that stays open for a principal: a socket, an event stream. */
export class Session {
  /** Until its token has expired. */
  timer: NodeJS.Timeout | undefined;

  /** By {@link Sessions.start}. */
  constructor(
    private readonly all: Sessions,
    public principal: Principal,
    readonly close: (reason: CastError) => void,
  ) {}

  /** The principal has a new token. Nothing where it has ended. */
  renew(principal: Principal): void {
    this.all.renew(this, principal);
  }

  /** It is closed. */
  end(): void {
    this.all.end(this);
  }
}

/** What is open, and for whom: each is closed when its token has expired or was taken back. */
@Injectable()
export class Sessions {
  private readonly open = new Set<Session>();

  constructor(
    private readonly keys: ApiKeys,
    private readonly revocations: Revocations,
  ) {
    keys.onChange(() => this.closeRevoked());
  }

  /** @param close is called once at most, later, with `auth_expired` or `unauthorized` */
  start(principal: Principal, close: (reason: CastError) => void): Session {
    const session = new Session(this, principal, close);
    this.open.add(session);
    this.watch(session);
    return session;
  }

  /** See {@link Session.renew}. */
  renew(session: Session, principal: Principal): void {
    // It may have ended while the new token was looked at: a timer would keep it until that is over.
    if (!this.open.has(session)) return;
    session.principal = principal;
    this.watch(session);
  }

  /** See {@link Session.end}. */
  end(session: Session): void {
    clearTimeout(session.timer);
    this.open.delete(session);
  }

  /** Closes what is open with a credential that was taken back. @returns how many */
  closeRevoked(): number {
    let closed = 0;
    for (const session of this.open) {
      if (!this.isRevoked(session.principal)) continue;
      this.close(session, new CastError('unauthorized', REVOKED));
      closed++;
    }
    return closed;
  }

  /** Whether the credential of a principal was taken back. */
  isRevoked(principal: Principal): boolean {
    if (this.revocations.has(principal)) return true;
    if (principal.kind === 'key') return !this.keys.has(principal);
    const key = keyOf(principal);
    return key !== undefined && !this.keys.knows(key);
  }

  private watch(session: Session): void {
    clearTimeout(session.timer);
    const { principal } = session;
    // It may have been taken back since it was looked at.
    if (this.isRevoked(principal)) {
      session.timer = setTimeout(() => this.close(session, new CastError('unauthorized', REVOKED)));
      return;
    }
    const token = 'token' in principal ? principal.token : undefined;
    if (token === undefined) return;
    const ms = (token.expiresAt + CLOCK_TOLERANCE_S) * 1000 - Date.now();
    session.timer = setTimeout(
      () => this.close(session, new CastError('auth_expired')),
      Math.min(Math.max(ms, 0), MAX_TIMER_MS),
    ).unref();
  }

  private close(session: Session, reason: CastError): void {
    this.end(session);
    session.close(reason);
  }
}

const REVOKED = { message: 'This credential was taken back.' };
