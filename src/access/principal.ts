import type { LinkVerb, Limits, Scope } from '../protocol/access.js';

/** What a token of a user or of a link says of itself; times in seconds since 1970 (RFC 7519). */
export interface TokenLife {
  /** `jti`, where the token has one. */
  readonly id: string | undefined;
  readonly issuedAt: number;
  readonly expiresAt: number;
  /**
   * The API key that had it made, by `POST /auth/token`; of a link, by which it was shared, be it through
   * such a token. What is made with a key is no better than the key.
   */
  readonly madeBy?: string | undefined;
}

/** The token that a link was shared with: the link is no better than it. */
export type SharedWith = Pick<TokenLife, 'id' | 'issuedAt'>;

/** A backend: it holds an API key, and may act for a user whom it names. */
export interface KeyPrincipal {
  readonly kind: 'key';
  readonly tenant: string;
  readonly keyId: string;
  /** The hash of the key (SHA-256, hex): two lines of the file may have one id. */
  readonly sha256: string;
  /** When the key was made, in seconds since 1970. */
  readonly createdAt: number;
  readonly scopes: readonly Scope[];
  /** Of the key itself: over all users that it acts for. */
  readonly limits: Limits;
  /** The user that it acts for in this request. */
  readonly userId?: string;
}

/** A user: of a token, or, without `token`, one that a socket on this machine claims to be. */
export interface UserPrincipal {
  readonly kind: 'user';
  readonly tenant: string;
  readonly sub: string;
  readonly scopes: readonly Scope[];
  /** Models that may be named; undefined: all. */
  readonly models?: readonly string[] | undefined;
  readonly limits: Limits;
  readonly token?: TokenLife;
}

/** Somebody with a link to one generation, which a user or key has shared. */
export interface LinkPrincipal {
  readonly kind: 'link';
  readonly generationId: string;
  readonly verbs: readonly LinkVerb[];
  /** Of the one that shared it. */
  readonly tenant: string;
  readonly sub: string | undefined;
  readonly token: TokenLife;
  /** Undefined where an API key shared it; see `TokenLife.madeBy`. */
  readonly sharedWith?: SharedWith | undefined;
}

/**
 * The one that asks: somebody with a credential; or, where anonymous callers are served, a socket of nobody
 * known, or a REST caller, who proves himself only by what he knows, such as the id of a generation.
 */
export type Principal =
  KeyPrincipal | UserPrincipal | LinkPrincipal | { kind: 'socket' } | { kind: 'rest' };

/** The tenant of users that sockets claim to be. No credential can have it. */
export const CLAIMED = '';

/** The tenant of tokens that name none. */
export const DEFAULT_TENANT = 'default';

/**
 * The owner of a generation of this principal: `tenant/sub`; `tenant/` for a backend that acts for nobody;
 * undefined where nobody is known. Keys of idempotency, turns and audiences go by it too.
 */
export function ownerOf(principal: Principal): string | undefined {
  switch (principal.kind) {
    case 'user':
      return `${principal.tenant}/${principal.sub}`;
    case 'key':
      return `${principal.tenant}/${principal.userId ?? ''}`;
    default:
      return undefined;
  }
}

/** The id of the API key that a principal came with, or that had its token made. */
export function keyOf(principal: Principal): string | undefined {
  if (principal.kind === 'key') return principal.keyId;
  return 'token' in principal ? principal.token?.madeBy : undefined;
}

/** The tenant and the user of an owner; no tenant has a slash. */
export function partsOf(owner: string): { tenant: string; sub: string } {
  const slash = owner.indexOf('/');
  return { tenant: owner.slice(0, slash), sub: owner.slice(slash + 1) };
}

/** A user whom a socket on this machine claims to be (`auth.userId`). */
export function claimedPrincipal(sub: string): UserPrincipal {
  return {
    kind: 'user',
    tenant: CLAIMED,
    sub,
    scopes: ['start', 'read', 'cancel', 'pull'],
    limits: {},
  };
}
