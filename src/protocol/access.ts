import { z } from 'zod';
import { EXAMPLE_ID, EXAMPLE_TIME } from './examples.js';
import { generationId } from './ids.js';
import { generationState } from './stream-state.js';

/** Bounds of a token that llm-cast makes, in seconds. */
export const TOKEN_TTL_S = { min: 60, max: 86_400, usual: 900 } as const;
/** Most characters of a token. */
export const MAX_TOKEN_CHARS = 4096;
/** Most characters of a user's name (`sub`, `userId`). */
const USER_CHARS = 128;

/** What a credential may be used for. */
export const scope = z
  .enum(['start', 'read', 'cancel', 'share', 'pull', 'admin'])
  .meta({ id: 'Scope', description: 'What a credential may be used for.', examples: ['start'] });
export type Scope = z.infer<typeof scope>;

/** What a key or token may do that names no scopes. */
export const USUAL_SCOPES: readonly Scope[] = ['start', 'read', 'cancel', 'share'];

/** A space of users that do not meet those of another one. */
export const tenantName = z
  .string()
  .regex(/^[\w.-]{1,64}$/, '1 to 64 letters, digits, dots, dashes and underscores')
  .meta({
    id: 'Tenant',
    description: 'A space of users that do not meet those of another one.',
    examples: ['shop'],
  });

/** The user whom a backend's key or token names. */
export const userName = z
  .string()
  .regex(new RegExp(`^[^\\p{C}]{1,${USER_CHARS}}$`, 'u'), `1 to ${USER_CHARS} printable characters`)
  .meta({
    id: 'UserName',
    description: `A user, as the app's backend names them: 1 to ${USER_CHARS} printable characters.`,
    examples: ['ada'],
  });

const most = z.int().min(0).max(1_000_000_000_000);

/** What one principal may use; 0 = no limit, absent = the server's setting. */
export const limits = z
  .strictObject({
    startsPerMinute: most.describe('Generations that begin in one minute.'),
    running: most.describe('Generations that run at once.'),
    waiting: most.describe('Requests that wait for a slot.'),
    sockets: most.describe('Open sockets.'),
    tokensPerDay: most.describe('Tokens read and written in one day (UTC).'),
    joinsPer10s: most.describe('Joins from the beginning (`after` 0) in ten seconds.'),
  })
  .partial()
  .meta({
    id: 'Limits',
    description: 'What a principal may use; 0 = no limit, absent = what the server has set.',
    examples: [{ startsPerMinute: 20, tokensPerDay: 200_000 }],
  });
export type Limits = z.infer<typeof limits>;

export const tokenBody = z
  .strictObject({
    userId: userName,
    ttl: z
      .int()
      .min(TOKEN_TTL_S.min)
      .max(TOKEN_TTL_S.max)
      .default(TOKEN_TTL_S.usual)
      .describe('How long the token is good for, in seconds.'),
    scopes: z.array(scope).optional().describe("Never beyond the key's own; default: the usual."),
  })
  .meta({
    id: 'TokenBody',
    description: 'Asks for a token of one user, with an API key.',
    examples: [{ userId: 'ada', ttl: 900 }],
  });
export type TokenBody = z.output<typeof tokenBody>;

const token = z.string().describe('Goes into `Authorization: Bearer` or `auth.token`.');
const expiresAt = z.string().describe('ISO time (UTC) from which on it is not good any more.');

export const tokenAnswer = z.object({ token, expiresAt }).meta({
  id: 'TokenAnswer',
  description: 'A token of one user.',
  examples: [{ token: 'eyJ…', expiresAt: EXAMPLE_TIME }],
});
export type TokenAnswer = z.infer<typeof tokenAnswer>;

export const linkVerb = z.enum(['read', 'cancel']);
export type LinkVerb = z.infer<typeof linkVerb>;

export const shareBody = z
  .strictObject({
    verbs: z
      .array(linkVerb)
      .min(1)
      .max(2)
      .default(['read'])
      .describe('What the link is good for; `cancel` only beside `read`.'),
    ttl: z
      .int()
      .min(TOKEN_TTL_S.min)
      .max(TOKEN_TTL_S.max)
      .optional()
      .describe('Seconds; at most, and by default, `RETAIN_MS`.'),
  })
  .refine(({ verbs }) => verbs.includes('read'), { path: ['verbs'], message: 'must hold read' })
  .meta({
    id: 'ShareBody',
    description: 'Asks for a link to one generation.',
    examples: [{ verbs: ['read'], ttl: 600 }],
  });
export type ShareBody = z.output<typeof shareBody>;

export const shareAnswer = z
  .object({
    token: z.string().describe('Good for this one generation: in `join`, or as Bearer.'),
    url: z.string().describe('Where the generation is, for `GET` with the token as Bearer.'),
    expiresAt,
  })
  .meta({
    id: 'ShareAnswer',
    description: 'A link to one generation, for a second device or a support case.',
    examples: [
      {
        token: 'eyJ…',
        url: `http://localhost:3000/llm/generations/${EXAMPLE_ID}`,
        expiresAt: EXAMPLE_TIME,
      },
    ],
  });
export type ShareAnswer = z.infer<typeof shareAnswer>;

/** The socket's request to go on with a new token. */
export const authRequest = z.strictObject({ token: z.string().min(1).max(MAX_TOKEN_CHARS) }).meta({
  id: 'AuthRequest',
  description: 'A new token of the same user, before the old one has expired.',
  examples: [{ token: 'eyJ…' }],
});
export type AuthRequest = z.infer<typeof authRequest>;

export const revokeBody = z
  .strictObject({
    key: z.string().min(1).max(64).optional().describe('Id of an API key.'),
    tenant: tenantName.optional().describe("Of `sub`; default: the caller's own."),
    sub: userName.optional().describe('A user: all tokens and links of theirs.'),
    jti: z.string().min(1).max(256).optional().describe('One token.'),
    before: z.iso
      .datetime({ offset: true })
      .optional()
      .describe('What was issued up to that second; default: now.'),
    cancel: z.boolean().default(false).describe('Whether what runs for them is cancelled too.'),
  })
  .refine(({ key, sub, jti }) => [key, sub, jti].filter((one) => one !== undefined).length === 1, {
    message: 'one of key, sub and jti',
  })
  .meta({
    id: 'RevokeBody',
    description: 'Takes back credentials: of a key, of a user, or one token.',
    examples: [{ sub: 'ada', cancel: true }, { key: 'shop' }],
  });
export type RevokeBody = z.output<typeof revokeBody>;

/** What a revocation ended on one node. */
export const revokedHere = z.object({
  closed: z.int().describe('Sockets and event streams that were closed.'),
  cancelled: z.int().describe('Generations that were cancelled.'),
});
export type RevokedHere = z.infer<typeof revokedHere>;

/** Nodes of a cluster that did not answer an operator. */
const missing = z
  .array(z.string())
  .optional()
  .describe('Nodes that did not answer in time; absent where all did.');

export const revoked = revokedHere.extend({ missing }).meta({
  id: 'Revoked',
  description: 'What the revocation ended.',
  examples: [{ closed: 2, cancelled: 1 }],
});
export type Revoked = z.infer<typeof revoked>;

export const me = z
  .object({
    kind: z.enum(['key', 'user', 'link', 'anonymous']),
    tenant: tenantName.optional(),
    sub: z.string().optional().describe('The user; absent for a key that acts for nobody.'),
    key: z.string().optional().describe('Id of the API key.'),
    scopes: z.array(scope),
    models: z.array(z.string()).optional().describe('Models that may be named; absent: all.'),
    generationId: generationId.optional().describe('The one that a link is good for.'),
    expiresAt: expiresAt.optional(),
    limits: limits.describe('In force; absent or 0 = none.'),
    left: z
      .object({ startsThisMinute: z.int(), tokensToday: z.int() })
      .partial()
      .describe('What is left where there is a limit.'),
  })
  .meta({
    id: 'Me',
    description: 'The caller: its name, its rights, and what is left of its limits.',
    examples: [
      {
        kind: 'user',
        tenant: 'default',
        sub: 'ada',
        scopes: ['start', 'read', 'cancel', 'share'],
        expiresAt: EXAMPLE_TIME,
        limits: { startsPerMinute: 20 },
        left: { startsThisMinute: 19 },
      },
    ],
  });
export type Me = z.infer<typeof me>;

export const adminGeneration = z.object({
  generationId,
  state: generationState,
  model: z.string(),
  tenant: z.string().optional(),
  sub: z.string().optional(),
  seq: z.int().min(0),
});
export type AdminGeneration = z.infer<typeof adminGeneration>;

export const adminGenerations = z.object({ generations: z.array(adminGeneration), missing }).meta({
  id: 'AdminGenerations',
  description: 'What waits and runs on all nodes, for whom; never a prompt or an answer.',
  examples: [
    {
      generations: [
        {
          generationId: EXAMPLE_ID,
          state: 'streaming',
          model: 'llama3.2',
          tenant: 'default',
          sub: 'ada',
          seq: 17,
        },
      ],
    },
  ],
});
export type AdminGenerations = z.infer<typeof adminGenerations>;
