import { z } from 'zod';
import { EXAMPLE_TIME } from './examples.js';

/** Bounds of a token that llm-cast makes, in seconds. */
export const TOKEN_TTL_S = { min: 60, max: 86_400, usual: 900 } as const;
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
