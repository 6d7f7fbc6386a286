import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

/** An identity provider (OpenID Connect, authorization code flow) at which everybody is `ada`. */
export class OidcProvider {
  private constructor(
    readonly issuer: string,
    private readonly server: Server,
  ) {}

  get jwksUrl(): string {
    return `${this.issuer}/jwks`;
  }

  static async start(clientId: string): Promise<OidcProvider> {
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' };
    /** Of each code that was given out. */
    const nonces = new Map<string, string>();
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

    const idToken = (nonce: string): Promise<string> =>
      new SignJWT({ email: 'ada@example.com', email_verified: true, ...(nonce && { nonce }) })
        .setProtectedHeader({ alg: 'RS256', kid: 'one' })
        .setIssuer(issuer)
        .setAudience(clientId)
        .setSubject('ada')
        .setIssuedAt()
        .setExpirationTime('10m')
        .sign(privateKey);

    server.on('request', (request, response) => {
      const url = new URL(request.url ?? '/', issuer);
      const json = (value: object): void => {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(value));
      };
      switch (url.pathname) {
        case '/.well-known/openid-configuration':
          return json({
            issuer,
            authorization_endpoint: `${issuer}/authorize`,
            token_endpoint: `${issuer}/token`,
            jwks_uri: `${issuer}/jwks`,
            response_types_supported: ['code'],
            subject_types_supported: ['public'],
            id_token_signing_alg_values_supported: ['RS256'],
          });
        case '/jwks':
          return json({ keys: [jwk] });
        case '/authorize': {
          const code = `code-${nonces.size}`;
          nonces.set(code, url.searchParams.get('nonce') ?? '');
          const back = new URL(url.searchParams.get('redirect_uri') ?? '');
          back.searchParams.set('code', code);
          back.searchParams.set('state', url.searchParams.get('state') ?? '');
          response.writeHead(302, { location: back.href }).end();
          return undefined;
        }
        case '/token': {
          let body = '';
          request.setEncoding('utf8').on('data', (text: string) => (body += text));
          request.on('end', () => {
            const code = new URLSearchParams(body).get('code') ?? '';
            void idToken(nonces.get(code) ?? '').then((token) =>
              json({
                access_token: 'opaque',
                id_token: token,
                token_type: 'Bearer',
                expires_in: 600,
              }),
            );
          });
          return undefined;
        }
        default:
          response.writeHead(404).end();
          return undefined;
      }
    });
    return new OidcProvider(issuer, server);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
