import { Injectable } from '@nestjs/common';
import { allowsAnonymous, Config, hasCredentials } from '../config/config.js';
import { CastError } from '../protocol/errors.js';
import { isApiKey } from './api-key.js';
import { ApiKeys } from './api-keys.js';
import { Audit, type AuditFields } from './audit.js';
import { FailedCredentials } from './failed-credentials.js';
import type { KeyPrincipal, LinkPrincipal, UserPrincipal } from './principal.js';
import { Secrets } from './secrets.js';
import { Sessions } from './sessions.js';
import { CLOCK_TOLERANCE_S, TokenVerifier } from './token-verifier.js';
import { VerifiedTokens } from './verified-tokens.js';

/** Somebody who has proved who they are. */
export type Known = KeyPrincipal | UserPrincipal | LinkPrincipal;

/** Where a credential came from, for limits and the audit. */
export type Origin = Pick<AuditFields, 'requestId'> & { address: string };

/** Finds out who somebody is from an API key, a token or a link. */
@Injectable()
export class Authentication {
  /** Whether credentials are looked at: without any configured there is nothing to prove. */
  readonly isOn: boolean;
  private readonly allowsAnonymous: boolean;
  private verified = new VerifiedTokens();

  constructor(
    config: Config,
    private readonly keys: ApiKeys,
    private readonly tokens: TokenVerifier,
    private readonly sessions: Sessions,
    private readonly failed: FailedCredentials,
    private readonly audit: Audit,
    secrets: Secrets,
  ) {
    this.isOn = hasCredentials(config);
    this.allowsAnonymous = allowsAnonymous(config);
    // Anew: what is being verified now, with the old secrets, is remembered for nobody.
    secrets.onChange(() => (this.verified = new VerifiedTokens()));
  }

  /**
   * @param shown an API key or a token; undefined where none was given; throws for what can be neither
   * @returns undefined for an anonymous caller
   * @throws CastError `unauthorized`, `auth_expired`; `rate_limited` instead where too many bad ones
   * came from that address
   */
  async identify(shown: () => string | undefined, origin: Origin): Promise<Known | undefined> {
    if (!this.isOn) return undefined;
    try {
      const credential = shown();
      if (credential !== undefined) return await this.known(credential);
    } catch (error) {
      throw await this.refusal(error, origin);
    }
    if (this.allowsAnonymous) return undefined;
    throw new CastError('unauthorized');
  }

  private async known(credential: string): Promise<Known> {
    const principal = isApiKey(credential)
      ? this.keys.find(credential)
      : await this.userOf(credential);
    if (principal === undefined || this.sessions.isRevoked(principal)) {
      throw new CastError('unauthorized');
    }
    return principal;
  }

  private async userOf(token: string): Promise<UserPrincipal | LinkPrincipal> {
    const { verified } = this;
    const known = verified.find(token);
    if (known?.token !== undefined) {
      if ((known.token.expiresAt + CLOCK_TOLERANCE_S) * 1000 > Date.now()) return known;
      throw new CastError('auth_expired');
    }
    const principal = await this.tokens.verify(token);
    verified.add(token, principal);
    return principal;
  }

  private async refusal(error: unknown, origin: Origin): Promise<unknown> {
    if (!(error instanceof CastError)) return error;
    // An old token is no attempt to guess one, and an address without keys no fault of the caller.
    const isGuess = error.code === 'unauthorized' && !error.retryable;
    const refusal = (isGuess ? await this.failed.count(origin.address) : undefined) ?? error;
    this.audit.write('auth.failed', undefined, { ...origin, code: refusal.code });
    return refusal;
  }
}

/**
 * The credential of an `Authorization` header (RFC 6750, section 2.1); undefined where there is none.
 * @throws CastError `unauthorized` for another scheme
 */
export function bearerOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const token = /^bearer +(\S+)$/i.exec(header)?.[1];
  if (token === undefined) throw new CastError('unauthorized', NOT_BEARER);
  return token;
}

const NOT_BEARER = { message: 'Authorization must be "Bearer" and an API key or token.' };
