import { Injectable } from '@nestjs/common';
import {
  type CryptoKey,
  decodeProtectedHeader,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
} from 'jose';
import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { Config } from '../config/config.js';
import { MAX_TOKEN_CHARS } from '../protocol/access.js';
import { CastError } from '../protocol/errors.js';
import { JwksKeys } from './jwks.js';
import type { LinkPrincipal, UserPrincipal } from './principal.js';
import { Secrets } from './secrets.js';
import { linkOfClaims, MAX_LIFE_S, mintedOfClaims, userOfClaims } from './token-claims.js';

/** Most keys of a key set that are tried for a token that does not say which of them it was signed with. */
const MAX_MATCHING_KEYS = 8;
/** How far the clocks of two machines may differ, in seconds. */
export const CLOCK_TOLERANCE_S = 5;
/** `typ` of the tokens of `POST /auth/token`, and of links to one generation. */
export const MINTED_TYPE = 'llmcast-user+jwt';
export const LINK_TYPE = 'llmcast-cap+jwt';
/** `iss` and `aud` of both. */
export const OWN_NAME = 'llm-cast';

/**
 * Verifies tokens. The `typ` of a token chooses which keys are tried, and each kind has keys and
 * algorithms of its own: HS256 for `JWT_SECRET` and what llm-cast makes itself; ES256, EdDSA and RS256
 * for `JWT_JWKS_URL`. `kid` only chooses among its keys; `jku`, `x5u` and `jwk` are never read.
 */
@Injectable()
export class TokenVerifier {
  private readonly jwks: JwksKeys | undefined;

  constructor(
    private readonly config: Config,
    private readonly secrets: Secrets,
  ) {
    const { JWT_JWKS_URL } = config;
    this.jwks = JWT_JWKS_URL === undefined ? undefined : new JwksKeys(JWT_JWKS_URL);
  }

  /** @throws CastError `auth_expired`, `unauthorized` */
  async verify(token: string): Promise<UserPrincipal | LinkPrincipal> {
    try {
      if (token.length > MAX_TOKEN_CHARS) throw new CastError('unauthorized', TOO_LONG);
      switch (decodeProtectedHeader(token).typ) {
        case LINK_TYPE:
          return linkOfClaims(await this.own(token, this.secrets.link, LINK_TYPE));
        case MINTED_TYPE:
          return mintedOfClaims(await this.own(token, this.secrets.minted, MINTED_TYPE));
        default:
          return userOfClaims(await this.foreign(token));
      }
    } catch (error) {
      throw refusalOf(error);
    }
  }

  /** A token that llm-cast has made. */
  private own(token: string, keys: readonly KeyObject[], typ: string): Promise<JWTPayload> {
    return verified(token, keys, {
      ...RULES,
      algorithms: ['HS256'],
      issuer: OWN_NAME,
      audience: OWN_NAME,
      typ,
    });
  }

  /** A token that the app's backend or its identity provider has made. */
  private foreign(token: string): Promise<JWTPayload> {
    const { JWT_ISSUER: issuer, JWT_AUDIENCE: audience } = this.config;
    const rules = {
      ...RULES,
      audience,
      requiredClaims: ['sub', 'iat', 'exp'],
      ...(issuer !== undefined && { issuer }),
    };
    if (this.jwks !== undefined) {
      return verified(token, [this.jwks.get], { ...rules, algorithms: ASYMMETRIC });
    }
    return verified(token, this.secrets.jwt ?? [], { ...rules, algorithms: ['HS256'] });
  }
}

const ASYMMETRIC = ['ES256', 'EdDSA', 'Ed25519', 'RS256'];
const RULES: JWTVerifyOptions = {
  clockTolerance: CLOCK_TOLERANCE_S,
  maxTokenAge: MAX_LIFE_S,
  requiredClaims: ['iat', 'exp'],
};
const TOO_LONG = { message: `A token has at most ${MAX_TOKEN_CHARS} characters.` };

/** The payload, if one of the keys verifies it. */
async function verified(
  token: string,
  keys: Iterable<KeyObject | JWTVerifyGetKey> | AsyncIterable<CryptoKey>,
  rules: JWTVerifyOptions,
): Promise<JWTPayload> {
  for await (const key of keys) {
    try {
      // The two overloads take a key and a function that finds it.
      const { payload } = await (typeof key === 'function'
        ? jwtVerify(token, key, rules)
        : jwtVerify(token, key, rules));
      return payload;
    } catch (error) {
      if (error instanceof errors.JWKSMultipleMatchingKeys) {
        return verified(token, firstOf(error), rules);
      }
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
    }
  }
  throw new CastError('unauthorized');
}

/** As many of the keys of a set that a token may be signed with as are tried. */
async function* firstOf(keys: AsyncIterable<CryptoKey>): AsyncIterable<CryptoKey> {
  let tried = 0;
  for await (const key of keys) {
    if (tried++ === MAX_MATCHING_KEYS) return;
    yield key;
  }
}

/** Says of a token that was signed well what is wrong with it; of any other, nothing. */
function refusalOf(error: unknown): CastError {
  if (error instanceof CastError) return error;
  if (error instanceof errors.JWTExpired) return new CastError('auth_expired');
  const claim =
    error instanceof errors.JWTClaimValidationFailed
      ? error.claim
      : error instanceof z.ZodError
        ? error.issues[0]?.path.join('.')
        : undefined;
  return claim === undefined
    ? new CastError('unauthorized', { cause: error })
    : new CastError('unauthorized', { message: `The token's ${claim} is not accepted.` });
}
