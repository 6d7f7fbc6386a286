import { Injectable } from '@nestjs/common';
import type { LinkPrincipal, Principal, TokenLife, UserPrincipal } from './principal.js';
import { MAX_LIFE_S } from './token-claims.js';
import { CLOCK_TOLERANCE_S } from './token-verifier.js';

/** Most revocations that are kept; over it the oldest go first. */
const MAX_KEPT = 100_000;

/** What is taken back. */
export type Revoked = { key: string } | { tenant: string; sub: string } | { jti: string };

/** A revocation, as it is told to all nodes. */
export interface Revocation {
  readonly target: Revoked;
  /** What was issued up to that second (since 1970) is not good any more. */
  readonly before: number;
  /** Whether what runs for them is cancelled. */
  readonly cancel: boolean;
  /** When it was revoked, in milliseconds since 1970. */
  readonly at: number;
}

/**
 * What was taken back before its time. Of tokens, until the longest of them is over; of keys, until
 * the end of the process: take them out of the file too.
 */
@Injectable()
export class Revocations {
  /** What was issued up to that second (since 1970) is not good any more. */
  private readonly before = new Map<string, number>();
  private readonly forgetAt = new Map<string, number>();

  /** @param before in seconds since 1970; what was issued in that second counts */
  add(revoked: Revoked, before: number): void {
    const name = nameOf(revoked);
    this.before.set(name, Math.max(before, this.before.get(name) ?? 0));
    if (!('key' in revoked)) {
      this.forgetAt.set(name, nowS() + MAX_LIFE_S + CLOCK_TOLERANCE_S);
    }
    this.tidy();
  }

  /** Whether the credential of this principal was taken back. */
  has(principal: Principal): boolean {
    if (this.before.size === 0) return false;
    switch (principal.kind) {
      case 'key':
        return this.covers({ key: principal.keyId }, principal.createdAt);
      case 'user':
        return principal.token !== undefined && this.hasToken(principal, principal.token);
      case 'link': {
        const { token, sharedWith } = principal;
        return (
          this.hasToken(principal, token) ||
          (sharedWith !== undefined && this.hasToken(principal, sharedWith))
        );
      }
      default:
        return false;
    }
  }

  private hasToken(
    { tenant, sub }: UserPrincipal | LinkPrincipal,
    { id, issuedAt, madeBy }: Pick<TokenLife, 'id' | 'issuedAt' | 'madeBy'>,
  ): boolean {
    return (
      (sub !== undefined && this.covers({ tenant, sub }, issuedAt)) ||
      (id !== undefined && this.covers({ jti: id }, issuedAt)) ||
      (madeBy !== undefined && this.covers({ key: madeBy }, issuedAt))
    );
  }

  private covers(revoked: Revoked, issuedAt: number): boolean {
    const before = this.before.get(nameOf(revoked));
    return before !== undefined && issuedAt <= before;
  }

  private tidy(): void {
    const now = nowS();
    for (const [name, at] of this.forgetAt) {
      if (at > now && this.before.size <= MAX_KEPT) return;
      this.forgetAt.delete(name);
      this.before.delete(name);
    }
  }
}

function nameOf(revoked: Revoked): string {
  if ('key' in revoked) return `key ${revoked.key}`;
  if ('jti' in revoked) return `jti ${revoked.jti}`;
  return `sub ${revoked.tenant}/${revoked.sub}`;
}

function nowS(): number {
  return Math.floor(Date.now() / 1000);
}
