import type { JWTPayload } from 'jose';
import { z } from 'zod';
import { KEY_ID } from './api-key.js';
import { limits, linkVerb, scope, tenantName, USUAL_SCOPES, userName } from '../protocol/access.js';
import { generationId } from '../protocol/ids.js';
import { DEFAULT_TENANT, type LinkPrincipal, type UserPrincipal } from './principal.js';

/** Longest life of a token of a user, in seconds. */
export const MAX_LIFE_S = 86_400;

const life = {
  iat: z.number(),
  exp: z.number(),
  jti: z.string().min(1).max(256).optional(),
};

/** See {@link TokenLife.madeBy}. */
const madeByClaim = z.string().regex(KEY_ID).optional();

/** Scopes are a list, or a text with blanks between them (RFC 8693, section 4.2). */
const scopes = z.union([
  z.array(scope),
  z
    .string()
    .transform((text) => text.split(' ').filter((word) => word !== ''))
    .pipe(z.array(scope)),
]);

const userClaims = z
  .object({
    ...life,
    sub: userName,
    llm: z
      .object({
        tenant: tenantName.default(DEFAULT_TENANT),
        scopes: scopes.default([...USUAL_SCOPES]),
        models: z.array(z.string().min(1).max(256)).max(256).optional(),
        limits: limits.default({}),
      })
      .prefault({}),
  })
  .refine(({ iat, exp }) => exp - iat <= MAX_LIFE_S, { path: ['exp'] });

const mintedClaims = z.object({ made_by: madeByClaim });

const linkClaims = z.object({
  ...life,
  gid: generationId,
  verbs: z.array(linkVerb).min(1),
  tenant: tenantName,
  sub: userName.optional(),
  made_by: madeByClaim,
  shared_with: z.object({ jti: life.jti, iat: life.iat }).optional(),
});

/**
 * @param madeBy see {@link TokenLife.madeBy}
 * @throws ZodError for claims that are not those of a user
 */
export function userOfClaims(payload: JWTPayload, madeBy?: string): UserPrincipal {
  const { sub, iat, exp, jti, llm } = userClaims.parse(payload);
  return { kind: 'user', sub, ...llm, token: { id: jti, issuedAt: iat, expiresAt: exp, madeBy } };
}

/** A user of a token that `POST /auth/token` has made. @throws ZodError like {@link userOfClaims} */
export function mintedOfClaims(payload: JWTPayload): UserPrincipal {
  return userOfClaims(payload, mintedClaims.parse(payload).made_by);
}

/** @throws ZodError for claims that are not those of a link */
export function linkOfClaims(payload: JWTPayload): LinkPrincipal {
  const { gid, verbs, tenant, sub, iat, exp, jti, made_by, shared_with } =
    linkClaims.parse(payload);
  return {
    kind: 'link',
    generationId: gid,
    verbs,
    tenant,
    sub,
    token: { id: jti, issuedAt: iat, expiresAt: exp, madeBy: made_by },
    sharedWith: shared_with && { id: shared_with.jti, issuedAt: shared_with.iat },
  };
}
