import { jest } from '@jest/globals';
import { createHmac, createSecretKey, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Logger } from '@nestjs/common';
import { exportJWK, SignJWT, UnsecuredJWT } from 'jose';
import { loadConfig } from '../config/load.js';
import { CastError } from '../protocol/errors.js';
import { Secrets } from './secrets.js';
import { TokenMaker } from './token-maker.js';
import { TokenVerifier } from './token-verifier.js';

const SECRET = 'a-secret-of-at-least-thirty-two-bytes';
const OTHER = 'another-secret-of-at-least-32-bytes!!';
const now = (): number => Math.floor(Date.now() / 1000);

type Claims = Record<string, unknown>;
const usual = (): Claims => ({
  sub: 'ada',
  aud: 'llm-cast',
  iss: 'https://app.example',
  iat: now(),
  exp: now() + 60,
});

const signed = (claims: Claims, secret = SECRET, header: object = {}): Promise<string> =>
  new SignJWT({ ...usual(), ...claims })
    .setProtectedHeader({ alg: 'HS256', ...header })
    .sign(Buffer.from(secret));

/** A token put together by hand, with any header. */
function forged(header: object, claims: Claims, sign: (input: string) => string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${part(header)}.${part({ ...usual(), ...claims })}`;
  return `${input}.${sign(input)}`;
}

const hmac = (key: string | Buffer) => (input: string) =>
  createHmac('sha256', key).update(input).digest('base64url');

function verifier(env: Record<string, string>): TokenVerifier {
  const config = loadConfig(env);
  return new TokenVerifier(config, new Secrets(config));
}

/** `ok`, or the code of the refusal. */
async function outcome(verifier: TokenVerifier, token: string): Promise<string> {
  try {
    await verifier.verify(token);
    return 'ok';
  } catch (error) {
    expect(error).toBeInstanceOf(CastError);
    return (error as CastError).code;
  }
}

describe('a token signed with JWT_SECRET', () => {
  const tokens = verifier({ JWT_SECRET: `${SECRET},${OTHER}`, JWT_ISSUER: 'https://app.example' });

  it('names a user of the tenant default, with the usual scopes', async () => {
    const exp = now() + 60;
    expect(await tokens.verify(await signed({ exp, jti: 'one' }))).toEqual({
      kind: 'user',
      tenant: 'default',
      sub: 'ada',
      scopes: ['start', 'read', 'cancel', 'share'],
      limits: {},
      token: { id: 'one', issuedAt: expect.any(Number), expiresAt: exp },
    });
  });

  it('may name tenant, scopes, models and limits', async () => {
    const llm = { tenant: 'shop', scopes: 'start read', models: ['m'], limits: { running: 1 } };
    expect(await tokens.verify(await signed({ llm }))).toMatchObject({
      tenant: 'shop',
      scopes: ['start', 'read'],
      models: ['m'],
      limits: { running: 1 },
    });
  });

  it('is good with any of the secrets: a rotation', async () => {
    expect(await outcome(tokens, await signed({}, OTHER))).toBe('ok');
  });

  it.each<[string, () => Claims, string]>([
    ['expired two seconds ago: clocks differ', () => ({ exp: now() - 2 }), 'ok'],
    ['expired a second longer than clocks may differ', () => ({ exp: now() - 6 }), 'auth_expired'],
    ['without exp', () => ({ exp: undefined }), 'unauthorized'],
    ['without iat', () => ({ iat: undefined }), 'unauthorized'],
    ['without sub', () => ({ sub: undefined }), 'unauthorized'],
    ['without aud', () => ({ aud: undefined }), 'unauthorized'],
    ['for another audience', () => ({ aud: 'another-service' }), 'unauthorized'],
    ['for several audiences, of which one is ours', () => ({ aud: ['x', 'llm-cast'] }), 'ok'],
    ['of another issuer', () => ({ iss: 'https://evil.example' }), 'unauthorized'],
    ['good for more than a day', () => ({ exp: now() + 86_460 }), 'unauthorized'],
    ['issued more than a day ago', () => ({ iat: now() - 86_460 }), 'auth_expired'],
    ['issued in the future', () => ({ iat: now() + 60 }), 'unauthorized'],
    ['not good yet', () => ({ nbf: now() + 60 }), 'unauthorized'],
    ['with an empty sub', () => ({ sub: '' }), 'unauthorized'],
    ['with a sub of 129 characters', () => ({ sub: 'x'.repeat(129) }), 'unauthorized'],
    ['with a line feed in sub', () => ({ sub: 'ada\nroot' }), 'unauthorized'],
    ['with an invisible character in sub', () => ({ sub: 'ada\u200B' }), 'unauthorized'],
    ['with a number as sub', () => ({ sub: 7 }), 'unauthorized'],
    ['with a scope that does not exist', () => ({ llm: { scopes: ['root'] } }), 'unauthorized'],
    ['with a slash in the tenant', () => ({ llm: { tenant: 'a/b' } }), 'unauthorized'],
    ['with an empty tenant', () => ({ llm: { tenant: '' } }), 'unauthorized'],
    [
      'with a limit that does not exist',
      () => ({ llm: { limits: { tokens: 1 } } }),
      'unauthorized',
    ],
  ])('%s', async (_name, claims, expected) => {
    expect(await outcome(tokens, await signed(claims()))).toBe(expected);
  });

  it('says which claim is wrong, where the signature is right', async () => {
    const error = await tokens.verify(await signed({ aud: 'x' })).catch((error: unknown) => error);
    expect((error as Error).message).toContain('aud');
  });

  it.each(['at+jwt', 'JWT', 'application/jwt'])('may be of typ %s', async (typ) => {
    expect(await outcome(tokens, await signed({}, SECRET, { typ }))).toBe('ok');
  });
});

describe('an attack on tokens signed with JWT_SECRET', () => {
  const config = loadConfig({ JWT_SECRET: SECRET });
  const secrets = new Secrets(config);
  const tokens = new TokenVerifier(config, secrets);
  const refused = async (token: string): Promise<void> =>
    expect(await outcome(tokens, token)).toBe('unauthorized');

  it('of alg none', async () => {
    await refused(new UnsecuredJWT(usual()).encode());
    for (const alg of ['none', 'None', 'NONE', '', undefined]) {
      await refused(forged({ alg }, {}, () => ''));
    }
  });

  it('of another secret, or a cut or changed one', async () => {
    await refused(await signed({}, OTHER));
    const token = await signed({});
    const [header, , signature] = token.split('.');
    await refused(token.slice(0, -2));
    await refused(
      `${header}.${Buffer.from(JSON.stringify({ ...usual(), sub: 'bob' })).toString('base64url')}.${signature}`,
    );
    await refused(token.split('.').slice(0, 2).join('.'));
  });

  it.each(['HS384', 'HS512'])('of the same secret under %s', async (alg) => {
    const secret = createSecretKey(Buffer.from(SECRET.repeat(2)));
    await refused(await new SignJWT(usual()).setProtectedHeader({ alg }).sign(secret));
  });

  it('with keys that the token itself brings', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = await exportJWK(publicKey);
    const sign = (header: object): Promise<string> =>
      new SignJWT(usual()).setProtectedHeader({ alg: 'ES256', ...header }).sign(privateKey);
    await refused(await sign({ jwk }));
    let asked = 0;
    const server = createServer((_request, response) => {
      asked++;
      response.end(JSON.stringify({ keys: [jwk] }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
    await refused(await sign({ jku: url }));
    await refused(await sign({ x5u: url }));
    await refused(forged({ alg: 'HS256', jku: url, kid: url }, {}, hmac('')));
    server.close();
    expect(asked).toBe(0);
  });

  it.each(['../../../../dev/null', "' OR 1=1 --", '/etc/passwd', '\u0000', 'x'.repeat(3000)])(
    'with the kid %j and the key that it would lead to',
    async (kid) => {
      await refused(forged({ alg: 'HS256', kid }, {}, hmac('')));
      await refused(forged({ alg: 'HS256', kid }, {}, hmac(kid)));
    },
  );

  it('with a header that must be understood, or that is no object', async () => {
    await refused(forged({ alg: 'HS256', crit: ['b64'], b64: false }, {}, hmac(SECRET)));
    await refused(forged({ alg: 'HS256', crit: ['exp'], exp: 1 }, {}, hmac(SECRET)));
    await refused(`${Buffer.from('null').toString('base64url')}.e30.x`);
    for (const text of ['', '.', '..', '...', 'a.b.c', '💥.💥.💥', 'e30.e30.e30']) {
      await refused(text);
    }
  });

  it('that is longer than 4,096 characters, before it is parsed', async () => {
    const long = await signed({ note: 'x'.repeat(4000) });
    expect(long.length).toBeGreaterThan(4096);
    const parse = jest.spyOn(JSON, 'parse');
    try {
      await refused(long);
      await refused(`${'A'.repeat(10_000_000)}.e30.x`);
      expect(parse).not.toHaveBeenCalled();
    } finally {
      parse.mockRestore();
    }
  });

  it('with a token of one kind in place of another', async () => {
    const maker = new TokenMaker(secrets);
    const ID = 'k3JvX0d1Qm6c7Tq2Zr9s_A';
    const link = await maker.link(
      ID,
      ['read'],
      { tenant: 'shop', sub: 'ada', madeBy: undefined },
      60,
    );
    expect(await tokens.verify(link.token)).toMatchObject({ kind: 'link', generationId: ID });
    const [, payload, signature] = link.token.split('.');
    for (const typ of ['JWT', undefined, 'llmcast-user+jwt']) {
      const header = Buffer.from(JSON.stringify({ alg: 'HS256', typ })).toString('base64url');
      await refused(`${header}.${payload}.${signature}`);
    }
    // With the secret itself nobody makes a link: it has a key of its own.
    const claims = { gid: ID, verbs: ['read'], tenant: 'shop' };
    await refused(await signed(claims, SECRET, { typ: 'llmcast-cap+jwt' }));
    await refused(await signed({}, SECRET, { typ: 'llmcast-user+jwt' }));
  });
});

describe('a token that llm-cast has made', () => {
  it('is good, with and without a JWT_SECRET', async () => {
    for (const env of [{ JWT_SECRET: SECRET }, {}] as Record<string, string>[]) {
      const config = loadConfig(env);
      const secrets = new Secrets(config);
      const { token, expiresAt } = await new TokenMaker(secrets).user(
        { tenant: 'shop', keyId: 'till' },
        'ada',
        ['read'],
        60,
      );
      const principal = await new TokenVerifier(config, secrets).verify(token);
      expect(principal).toMatchObject({
        kind: 'user',
        tenant: 'shop',
        sub: 'ada',
        scopes: ['read'],
      });
      expect(Date.parse(expiresAt)).toBeGreaterThan(Date.now());
    }
  });

  it('is good on every node that has the same JWT_SECRET, and on no other', async () => {
    const secretsOf = (env: Record<string, string>): Secrets => new Secrets(loadConfig(env));
    const { token } = await new TokenMaker(secretsOf({ JWT_SECRET: SECRET })).user(
      { tenant: 't', keyId: 'k' },
      'a',
      [],
      60,
    );
    expect(await outcome(verifier({ JWT_SECRET: SECRET }), token)).toBe('ok');
    expect(await outcome(verifier({ JWT_SECRET: OTHER }), token)).toBe('unauthorized');
    expect(await outcome(verifier({}), token)).toBe('unauthorized');
  });
});

describe('a token whose key is at JWT_JWKS_URL', () => {
  const pairs = {
    ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    EdDSA: generateKeyPairSync('ed25519'),
    RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  };
  type Alg = keyof typeof pairs;
  let answer: () => object | undefined = () => undefined;
  let asked = 0;
  const server = createServer((_request, response) => {
    asked++;
    const keys = answer();
    if (keys === undefined) response.destroy();
    else response.setHeader('content-type', 'application/json').end(JSON.stringify(keys));
  });
  let url = '';

  const jwk = async (alg: Alg, kid: string): Promise<object> => ({
    ...(await exportJWK(pairs[alg].publicKey)),
    alg,
    kid,
  });
  const sign = (alg: Alg, kid?: string): Promise<string> =>
    new SignJWT(usual())
      .setProtectedHeader({ alg, ...(kid !== undefined && { kid }) })
      .sign(pairs[alg].privateKey);

  beforeAll(async () => {
    Logger.overrideLogger(false);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  });
  afterAll(() => void server.close());

  it.each(['ES256', 'EdDSA', 'RS256'] as const)('is good under %s', async (alg) => {
    const keys = [await jwk(alg, 'one')];
    answer = () => ({ keys });
    const tokens = verifier({ JWT_JWKS_URL: url });
    expect(await outcome(tokens, await sign(alg, 'one'))).toBe('ok');
    expect(await outcome(tokens, await sign(alg))).toBe('ok');
    expect(await outcome(tokens, await sign(alg, 'two'))).toBe('unauthorized');
  });

  it('is good without a kid under each of several keys of its algorithm, up to a bound', async () => {
    const others = Array.from({ length: 8 }, () =>
      generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    );
    const keys = await Promise.all(
      others.map(async ({ publicKey }) => ({ ...(await exportJWK(publicKey)), alg: 'ES256' })),
    );
    const own = await jwk('ES256', 'own');
    const set = (...all: object[]): TokenVerifier => {
      answer = () => ({ keys: all });
      return verifier({ JWT_JWKS_URL: url });
    };
    expect(await outcome(set(...keys.slice(0, 7), own), await sign('ES256'))).toBe('ok');
    expect(await outcome(set(...keys, own), await sign('ES256'))).toBe('unauthorized');
    expect(await outcome(set(...keys.slice(0, 2)), await sign('ES256'))).toBe('unauthorized');
    // What is wrong with a token that one of them has signed is said.
    const expired = new SignJWT({ ...usual(), exp: 1, iat: 0 });
    const token = await expired.setProtectedHeader({ alg: 'ES256' }).sign(pairs.ES256.privateKey);
    expect(await outcome(set(...keys.slice(0, 2), own), token)).toBe('auth_expired');
  });

  it('is not good under HS256 with the public key as the secret', async () => {
    const keys = [await jwk('RS256', 'one')];
    answer = () => ({ keys });
    const tokens = verifier({ JWT_JWKS_URL: url });
    const pem = pairs.RS256.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const der = pairs.RS256.publicKey.export({ type: 'spki', format: 'der' });
    for (const secret of [pem, pem.trim(), der, JSON.stringify(keys[0])]) {
      const token = forged({ alg: 'HS256', kid: 'one' }, {}, hmac(secret));
      expect(await outcome(tokens, token)).toBe('unauthorized');
    }
  });

  it('is not good with a symmetric key that the set holds by mistake', async () => {
    const k = Buffer.from(SECRET).toString('base64url');
    answer = () => ({ keys: [{ kty: 'oct', k, kid: 'one', alg: 'HS256' }] });
    const token = await signed({}, SECRET, { kid: 'one' });
    expect(await outcome(verifier({ JWT_JWKS_URL: url }), token)).toBe('unauthorized');
  });

  it('may be rotated without a restart: a new key is found at once, one that is gone is good no more', async () => {
    const [first, second] = [await jwk('ES256', 'one'), await jwk('RS256', 'two')];
    answer = () => ({ keys: [first] });
    const tokens = verifier({ JWT_JWKS_URL: url });
    expect(await outcome(tokens, await sign('ES256', 'one'))).toBe('ok');
    answer = () => ({ keys: [second] });
    // The set was fetched a moment ago.
    expect(await outcome(tokens, await sign('RS256', 'two'))).toBe('unauthorized');
    const [old, fresh] = [await sign('ES256', 'one'), await sign('RS256', 'two')];
    const clock = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 30_000);
    try {
      expect(await outcome(tokens, fresh)).toBe('ok');
      expect(await outcome(tokens, old)).toBe('unauthorized');
    } finally {
      clock.mockRestore();
    }
  });

  it('stays good while the address does not answer', async () => {
    const keys = [await jwk('ES256', 'one')];
    answer = () => ({ keys });
    const tokens = verifier({ JWT_JWKS_URL: url });
    expect(await outcome(tokens, await sign('ES256', 'one'))).toBe('ok');
    answer = () => undefined;
    expect(await outcome(tokens, await sign('ES256', 'one'))).toBe('ok');
    // The set was fetched a moment ago: nothing is waited for.
    asked = 0;
    expect(await outcome(tokens, await sign('ES256', 'two'))).toBe('unauthorized');
    expect(asked).toBe(0);
  });

  it('may be verified later where no key could be fetched yet, and unknown kids fetch no storm', async () => {
    answer = () => undefined;
    const tokens = verifier({ JWT_JWKS_URL: url });
    asked = 0;
    const results = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        const token = await sign('ES256', `kid-${n}`);
        return tokens.verify(token).catch((error: unknown) => error);
      }),
    );
    for (const error of results) {
      expect(error).toMatchObject({ code: 'unauthorized', retryable: true });
    }
    expect(asked).toBeLessThanOrEqual(2);
  });
});
