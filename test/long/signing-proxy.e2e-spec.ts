import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { Client } from '../support/client.js';
import { freePort } from '../support/free-port.js';
import { describeIf, programInPath } from '../support/needs.js';
import { Nginx, NGINX } from '../support/nginx.js';
import { OidcProvider } from '../support/oidc-provider.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';
import { until } from '../support/until.js';

const PROXY = process.env['OAUTH2_PROXY'] || programInPath('oauth2-proxy');
const CLIENT_ID = 'llm-cast-page';
const DOCUMENT = readFileSync(join(import.meta.dirname, '../../docs/access.md'), 'utf8');

/** The configuration of nginx that docs/access.md shows, and the options of oauth2-proxy. */
const SECTION = DOCUMENT.split('\n### A proxy that signs in\n')[1] ?? '';
const LOCATIONS = /```nginx\n([^]*?)```/.exec(SECTION)?.[1] ?? '';
const OPTIONS = (/```sh\n([^]*?)```/.exec(SECTION)?.[1] ?? '').match(/--[a-z-]+(=\S+)?/g) ?? [];

describeIf(
  NGINX[0] && PROXY !== undefined,
  'the proxy that signs in is not tried, as PATH has no nginx, or neither PATH nor OAUTH2_PROXY has an oauth2-proxy',
)('behind nginx and oauth2-proxy, as docs/access.md shows them', () => {
  let provider: OidcProvider;
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let proxy: ChildProcess | undefined;
  let nginx: Nginx;

  const endProxy = async (): Promise<void> => {
    if (proxy === undefined || proxy.exitCode !== null) return;
    proxy.kill();
    await once(proxy, 'exit');
  };

  beforeAll(async () => {
    provider = await OidcProvider.start(CLIENT_ID);
    upstream = await ScriptedUpstream.start();
    const proxyPort = await freePort();
    const signsIn = `127.0.0.1:${proxyPort}`;
    const startBoth = async (url: string): Promise<RunningServer> => {
      await endProxy();
      const own = [
        `--http-address=${signsIn}`,
        `--oidc-issuer-url=${provider.issuer}`,
        `--client-id=${CLIENT_ID}`,
        '--client-secret=secret',
        `--cookie-secret=${'c'.repeat(32)}`,
        `--redirect-url=${url}/oauth2/callback`,
        '--cookie-secure=false',
      ];
      const names = new Set(own.map((option) => option.split('=')[0]));
      const shown = OPTIONS.filter((option) => !names.has(option.split('=')[0] ?? ''));
      proxy = spawn(PROXY ?? '', [...shown, ...own], { stdio: ['ignore', 'ignore', 'ignore'] });
      await until(
        async () => (await fetch(`http://${signsIn}/ping`).catch(() => undefined))?.ok === true,
      );
      return startApp({
        OLLAMA_BASE_URL: upstream.url,
        JWT_JWKS_URL: provider.jwksUrl,
        JWT_ISSUER: provider.issuer,
        JWT_AUDIENCE: CLIENT_ID,
        CORS_ORIGINS: url,
        TRUST_PROXY: 'loopback',
      });
    };
    ({ app, nginx } = await Nginx.startWith(startBoth, { locations: LOCATIONS, signsIn }));
  });
  afterAll(async () => {
    await nginx?.close();
    await endProxy();
    await app?.close();
    await upstream?.close();
    await provider?.close();
  });

  /** Goes wherever it is sent, as a browser does. @returns its cookies, and where it came to */
  const signIn = async (): Promise<{ cookie: string; page: Response }> => {
    const jar = new Map<string, string>();
    let next = `${nginx.url}/`;
    for (let steps = 0; steps < 10; steps++) {
      const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
      const page = await fetch(next, {
        redirect: 'manual',
        headers: { accept: 'text/html', ...(next.startsWith(nginx.url) && { cookie }) },
      });
      for (const set of page.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
        jar.set(name, value);
      }
      const location = page.headers.get('location');
      if (location === null) {
        return { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; '), page };
      }
      next = new URL(location, next).href;
    }
    throw new Error('sent on and on');
  };

  it('nobody gets past without a session, sockets neither', async () => {
    const page = await fetch(`${nginx.url}/`, { redirect: 'manual' });
    expect(page.status).toBe(302);
    expect(page.headers.get('location')).toContain('/oauth2/');
    const forged = { authorization: 'Bearer x.y.z' };
    for (const path of ['/socket.io/?EIO=4&transport=polling']) {
      expect((await fetch(`${nginx.url}${path}`, { headers: forged })).status).toBe(401);
    }
  });

  it('who has signed in is that user at REST and at the socket, whatever else he says', async () => {
    const { cookie, page } = await signIn();
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('llm-cast');
    for (const authorization of [undefined, 'Bearer x.y.z']) {
      const me = await fetch(`${nginx.url}/llm/me`, {
        headers: { cookie, ...(authorization !== undefined && { authorization }) },
      });
      expect(await me.json()).toMatchObject({ kind: 'user', tenant: 'default', sub: 'ada' });
    }
    for (const transports of [['websocket'], ['polling']] as const) {
      const client = await Client.connect(nginx.url, {
        transports: [...transports],
        extraHeaders: { cookie },
      });
      const { generationId } = await client.accepted('generate', { prompt: 'why?' });
      (await upstream.nextCall()).text('because').done();
      await client.ended(generationId);
      expect(client.text(generationId)).toBe('because');
      const read = await fetch(`${nginx.url}/llm/generations/${generationId}`, {
        headers: { cookie },
      });
      expect(await read.json()).toMatchObject({ text: 'because' });
      client.close();
    }
  });
});
