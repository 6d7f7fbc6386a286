import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { SignJWT } from 'jose';
import type { LinkVerb, Scope, TokenAnswer } from '../protocol/access.js';
import type { KeyPrincipal, LinkPrincipal, TokenLife } from './principal.js';
import { Secrets } from './secrets.js';
import { LINK_TYPE, MINTED_TYPE, OWN_NAME } from './token-verifier.js';

/** Makes the tokens that llm-cast gives out itself. */
@Injectable()
export class TokenMaker {
  constructor(private readonly secrets: Secrets) {}

  /** A token of a user of the key's tenant. @param ttl in seconds */
  user(
    { tenant, keyId }: Pick<KeyPrincipal, 'tenant' | 'keyId'>,
    sub: string,
    scopes: readonly Scope[],
    ttl: number,
  ): Promise<TokenAnswer> {
    return this.signed(MINTED_TYPE, { sub, llm: { tenant, scopes }, made_by: keyId }, ttl);
  }

  /**
   * A link to one generation.
   * @param by the tenant and user that share it, no user for a backend that acts for nobody; and the key
   * and the token, see `TokenLife.madeBy` and `SharedWith`
   * @param ttl in seconds
   */
  link(
    gid: string,
    verbs: readonly LinkVerb[],
    {
      madeBy,
      sharedWith,
      ...by
    }: Pick<LinkPrincipal, 'tenant' | 'sub' | 'sharedWith'> & Pick<TokenLife, 'madeBy'>,
    ttl: number,
  ): Promise<TokenAnswer> {
    const shared_with = sharedWith && { jti: sharedWith.id, iat: sharedWith.issuedAt };
    return this.signed(LINK_TYPE, { gid, verbs, ...by, made_by: madeBy, shared_with }, ttl);
  }

  private async signed(
    typ: typeof MINTED_TYPE | typeof LINK_TYPE,
    claims: Record<string, unknown>,
    ttl: number,
  ): Promise<TokenAnswer> {
    const now = Math.floor(Date.now() / 1000);
    const [key] = typ === LINK_TYPE ? this.secrets.link : this.secrets.minted;
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', typ })
      .setIssuer(OWN_NAME)
      .setAudience(OWN_NAME)
      .setJti(randomUUID())
      .setIssuedAt(now)
      .setExpirationTime(now + ttl)
      .sign(key);
    return { token, expiresAt: new Date((now + ttl) * 1000).toISOString() };
  }
}
