import { createHmac, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { bearer, KeysFile, SECRET, tokenOf } from '../support/credentials.js';
import { Program } from '../support/program.js';
import { handshake } from '../support/handshake.js';
import { call } from '../support/rest.js';
import { until } from '../support/until.js';

const now = (): number => Math.floor(Date.now() / 1000);
const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
/** A token with any header, signed under HS256 with any key; no key = no signature. */
const forged = (header: object, claims: object, key?: string | Buffer): string => {
  const usual = { sub: 'ada', aud: 'llm-cast', iat: now(), exp: now() + 600 };
  const input = `${part(header)}.${part({ ...usual, ...claims })}`;
  const signature =
    key === undefined ? '' : createHmac('sha256', key).update(input).digest('base64url');
  return `${input}.${signature}`;
};
const HS256 = { alg: 'HS256', typ: 'JWT' };

describe('a forged or spoilt token', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  let asked = 0;
  const evil = createServer((_request, response) => {
    asked++;
    response.end(JSON.stringify({ keys: [{ kty: 'oct', k: '' }] }));
  });
  const jwks = createServer((_request, response) => {
    const jwk = { ...rsa.publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'RS256' };
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] }));
  });
  /** One that takes HS256, and one that takes the keys of a key set. */
  const servers: Program[] = [];
  const urls: { url: string; socketUrl: string }[] = [];
  const tried: string[] = [];

  beforeAll(async () => {
    const keys = new KeysFile();
    keys.add('shop');
    for (const server of [evil, jwks]) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    }
    const common = {
      OLLAMA_BASE_URL: 'http://127.0.0.1:1',
      LIMIT_FAILED_TOKENS_PER_MINUTE: 0,
      LIMIT_HANDSHAKES_PER_10S: 0,
      LOG_LEVEL: 'debug',
    };
    servers.push(
      Program.server({ ...common, JWT_SECRET: SECRET, API_KEYS_FILE: keys.path }),
      Program.server({ ...common, JWT_JWKS_URL: `${urlOf(jwks)}/keys` }),
    );
    for (const server of servers) urls.push(await server.listening());
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.kill()));
    evil.close();
    jwks.close();
  });

  it.each<[string, () => string | Promise<string>, string?]>([
    ['of alg none', () => forged({ alg: 'none' }, {})],
    ['of alg none, with a signature', () => forged({ alg: 'none' }, {}, SECRET)],
    ['of alg NoNe', () => forged({ alg: 'NoNe', typ: 'JWT' }, {})],
    [
      'under HS256 with the public key of the key set',
      () => forged({ ...HS256, kid: 'one' }, {}, pem),
    ],
    [
      'under RS256 with an HMAC of the secret',
      () => forged({ alg: 'RS256', kid: 'one' }, {}, SECRET),
    ],
    ['under HS512', () => forged({ alg: 'HS512' }, {}, SECRET)],
    ['with a kid that is a path', () => forged({ ...HS256, kid: '/dev/null' }, {}, '')],
    ['with a kid that is a query', () => forged({ ...HS256, kid: "' UNION SELECT 'x" }, {}, 'x')],
    ['with jku', () => forged({ ...HS256, jku: urlOf(evil), kid: 'x' }, {}, '')],
    ['with x5u', () => forged({ ...HS256, x5u: urlOf(evil) }, {}, '')],
    ['with jwk', () => forged({ ...HS256, jwk: { kty: 'oct', k: 'eA' } }, {}, 'x')],
    ['of another secret', () => forged(HS256, {}, 'another-secret-of-32-bytes-and-more')],
    ['of an empty secret', () => forged(HS256, {}, '')],
    ['that is oversized', () => forged(HS256, { note: 'x'.repeat(5_000) }, SECRET)],
    ['for another audience', () => forged(HS256, { aud: 'another' }, SECRET)],
    ['without an audience', () => forged(HS256, { aud: undefined }, SECRET)],
    ['that names itself a link', () => forged({ ...HS256, typ: 'llmcast-cap+jwt' }, {}, SECRET)],
    ['that names itself minted', () => forged({ ...HS256, typ: 'llmcast-user+jwt' }, {}, SECRET)],
    [
      'of a user with a slash for a tenant',
      () => forged(HS256, { llm: { tenant: 'a/b' } }, SECRET),
    ],
    ['of a thousand parts', () => 'e30.'.repeat(999)],
    ['of one part', () => 'lck_shop'],
  ])('%s is refused at every door of both kinds of server', async (_name, make) => {
    const token = await make();
    tried.push(token);
    for (const { url, socketUrl } of urls) {
      const rest = await call('GET', `${url}/llm/queue`, undefined, bearer(token));
      expect(rest).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
      expect(JSON.stringify(rest.body)).not.toContain(token);
      expect(await handshake(socketUrl, { token })).toMatchObject({ code: 'unauthorized' });
    }
  });

  it('that has expired a second longer ago than clocks may differ is told apart', async () => {
    const token = await tokenOf('ada', undefined, -6);
    tried.push(token);
    const [{ url, socketUrl } = { url: '', socketUrl: '' }] = urls;
    const rest = await call('GET', `${url}/llm/queue`, undefined, bearer(token));
    expect(rest).toMatchObject({ status: 401, body: { code: 'auth_expired' } });
    expect(await handshake(socketUrl, { token })).toMatchObject({ code: 'auth_expired' });
  });

  it('none of them leads to a request, or stands in the log', async () => {
    expect(asked).toBe(0);
    const good = await tokenOf('ada');
    const [{ url } = { url: '' }] = urls;
    expect((await call('GET', `${url}/llm/queue`, undefined, bearer(good))).status).toBe(200);
    await call('GET', `${url}/llm/queue?token=${good}`);
    await until(() => servers[0]!.stdout.includes('auth.failed'));
    for (const { stdout, stderr } of servers) {
      for (const token of [...tried, good]) {
        // A token that is only a word may be one of ours.
        if (token.length > 20) expect(stdout + stderr).not.toContain(token.slice(-20));
      }
    }
  });
});

const urlOf = (server: ReturnType<typeof createServer>): string =>
  `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
