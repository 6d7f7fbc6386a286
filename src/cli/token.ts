import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { z } from 'zod';
import { accessSettings } from '../config/access-settings.js';
import { scope, tenantName, TOKEN_TTL_S, userName } from '../protocol/access.js';
import { readArguments } from './arguments.js';
import { fromEnvironment } from './environment.js';
import { CommandError, EXIT, UsageError } from './exit.js';
import { write } from './terminal.js';

const HELP = `Usage: llm-cast token --sub USER [options]

Makes a token of a user, signed with JWT_SECRET of the environment or of .env, as the app's backend
would. The token goes to stdout.

Options:
  --sub USER        the user
  --ttl TIME        how long it is good for: 90s, 15m, 1h (default 15m, at most 24h)
  --tenant NAME     the user's tenant (default "default")
  --scopes LIST     what it may do: ${scope.options.join(', ')} (default: the usual ones)
  --models LIST     the models that it may name (default: all)
  -h, --help        print this
`;

const UNITS = { s: 1, m: 60, h: 3600 } as const;

const form = z.object({
  sub: userName,
  ttl: z
    .string()
    .regex(/^\d{1,6}[smh]$/)
    .transform((text) => Number.parseInt(text, 10) * UNITS[text.at(-1) as keyof typeof UNITS])
    .pipe(z.number().min(1).max(TOKEN_TTL_S.max))
    .default(TOKEN_TTL_S.usual),
  tenant: tenantName.optional(),
  scopes: z.string().transform(list).pipe(z.array(scope)).optional(),
  models: z.string().transform(list).optional(),
});

/** Makes a token of a user. @throws CommandError */
export async function token(args: string[], signal: AbortSignal): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = readArguments(
    {
      args,
      options: {
        sub: text,
        ttl: text,
        tenant: text,
        scopes: text,
        models: text,
        help: { type: 'boolean', short: 'h' },
      },
    },
    'token',
  );
  if (values.help === true) return write(process.stdout, HELP, signal);
  const result = form.safeParse(values);
  if (!result.success) {
    const flag = String(result.error.issues[0]?.path[0]);
    throw new UsageError(`--${flag} is missing or not well-formed.`, 'token');
  }
  const { sub, ttl, ...llm } = result.data;
  const { secret, issuer, audience } = signing();
  const jwt = new SignJWT({ sub, ...(Object.keys(llm).length > 0 && { llm }) })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setAudience(audience)
    .setJti(randomUUID())
    .setIssuedAt()
    .setExpirationTime(Math.floor(Date.now() / 1000) + ttl);
  if (issuer !== undefined) jwt.setIssuer(issuer);
  await write(process.stdout, `${await jwt.sign(Buffer.from(secret))}\n`, signal);
}

/** @throws CommandError where there is no JWT_SECRET */
function signing(): { secret: string; issuer: string | undefined; audience: string } {
  const { JWT_SECRET, JWT_ISSUER, JWT_AUDIENCE } = accessSettings;
  const [secret] = JWT_SECRET.safeParse(fromEnvironment('JWT_SECRET')).data ?? [];
  if (secret === undefined) {
    throw new CommandError(
      'JWT_SECRET is not set, or it is shorter than 32 bytes. Make one: openssl rand -base64 48',
      EXIT.failed,
    );
  }
  return {
    secret,
    issuer: JWT_ISSUER.parse(fromEnvironment('JWT_ISSUER')),
    audience: JWT_AUDIENCE.parse(fromEnvironment('JWT_AUDIENCE')),
  };
}

function list(text: string): string[] {
  return text.split(',').map((name) => name.trim());
}
