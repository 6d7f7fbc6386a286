import { z } from 'zod';
import { integer, list } from './values.js';

/** Least bytes of a secret for HS256 (RFC 7518, section 3.2). */
const SECRET_BYTES = 32;
/** Most secrets at a time: the one that signs, and those that still verify. */
const MOST_SECRETS = 4;

/** A limit that has a number, or none. */
const most = (fallback: number, what: string) =>
  integer(0, 1_000_000_000_000, fallback).describe(`${what}; 0 = no limit`);

/** Settings of callers: their credentials and their limits. */
export const accessSettings = {
  API_KEYS_FILE: z
    .string()
    .optional()
    .describe(
      'File with the API keys of backends (`llm-cast key create`), read anew when it changes',
    ),
  JWT_SECRET: z
    .string()
    .transform(list)
    .pipe(
      z
        .array(z.string().refine((secret) => Buffer.byteLength(secret) >= SECRET_BYTES))
        .min(1)
        .max(MOST_SECRETS),
    )
    .meta({
      expected: `a secret of at least ${SECRET_BYTES} bytes, or up to ${MOST_SECRETS} of them separated by commas`,
    })
    .optional()
    .describe(
      'Secret that signs the tokens of users (HS256); several: the first signs, all verify',
    ),
  JWT_JWKS_URL: z
    .url({ protocol: /^https?$/ })
    // `fetch` takes none, and would write them into the log.
    .regex(/^\w+:\/\/[^/?#@]+([/?#]|$)/)
    .meta({ expected: 'an http or https URL of a JSON Web Key Set, without credentials' })
    .optional()
    .describe('Where the public keys are that verify tokens of users (ES256, EdDSA, RS256)'),
  JWT_ISSUER: z
    .string()
    .optional()
    .describe('The `iss` that tokens of users must have; unset = any'),
  JWT_AUDIENCE: z.string().default('llm-cast').describe('The `aud` that tokens of users must have'),
  ALLOW_ANONYMOUS: z
    .stringbool()
    .meta({ expected: 'true or false' })
    .optional()
    .describe(
      'Whether callers without a credential are served; unset = only on a loopback HOST without API_KEYS_FILE, JWT_SECRET and JWT_JWKS_URL',
    ),
  LIMIT_STARTS_PER_MINUTE: most(20, 'Most starts of one user in a minute'),
  LIMIT_RUNNING: most(3, 'Most generations of one user that run at once'),
  LIMIT_WAITING: most(10, 'Most requests of one user that wait'),
  LIMIT_SOCKETS: most(10, 'Most open sockets of one user'),
  LIMIT_TOKENS_PER_DAY: most(0, 'Most tokens of one user in a day (UTC), read and written'),
  LIMIT_JOINS_PER_10S: most(5, 'Most joins of one user from the beginning in ten seconds'),
  LIMIT_HANDSHAKES_PER_10S: most(20, 'Most socket handshakes of one address in ten seconds'),
  LIMIT_SOCKETS_PER_ADDRESS: most(100, 'Most open sockets of one address'),
  LIMIT_FAILED_TOKENS_PER_MINUTE: most(30, 'Most bad credentials of one address in a minute'),
};
