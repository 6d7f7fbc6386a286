import { request } from 'node:http';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';

/** The status of a request under a name. */
function statusOf(url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url.replace('0.0.0.0', '127.0.0.1'), { headers, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });
}

const KNOWN = [
  'localhost:3000',
  'app.localhost',
  '127.0.0.1',
  '[::1]:4321',
  '192.168.0.7:3000',
  '203.0.113.9',
  '[2001:db8::1]',
  'llm.example.com',
  'LLM.example.com:8443',
  'chat.example.com',
  'chat.example.com:4321',
  'any.wild.example.com',
  'socket.example.com',
  'llm-cast:3000',
];
const REBOUND = [
  'evil.example',
  'evil.example:3000',
  'llm.example.com.evil.example',
  'evilllm.example.com',
  'wild.example.com',
  'x.llm.example.com',
  '127.0.0.1.evil.example',
  'localhost.evil.example',
  'llm.example.com.',
];

describe('a Host, while others than this machine can connect', () => {
  let app: RunningServer;
  beforeAll(async () => {
    app = await startApp({
      HOST: '0.0.0.0',
      ALLOW_ANONYMOUS: 'true',
      ALLOWED_HOSTS: 'llm-cast, LLM.example.com',
      CORS_ORIGINS: 'https://chat.example.com, https://*.wild.example.com',
      PUBLIC_SOCKET_URL: 'https://socket.example.com',
    });
  });
  afterAll(() => app?.close());
  const urls = (): string[] => [
    `${app.url}/health/live`,
    `${app.url}/llm/queue`,
    `${app.socketUrl}/socket.io/?EIO=4&transport=polling`,
  ];

  it.each(KNOWN)('%s names this server', async (host) => {
    for (const url of urls()) expect(await statusOf(url, { host })).toBe(200);
  });

  it.each(REBOUND)('%s is rebound: refused, whatever the page', async (host) => {
    for (const url of urls()) {
      expect(await statusOf(url, { host })).toBe(403);
      expect(await statusOf(url, { host, origin: `http://${host}` })).toBe(403);
      expect(await statusOf(url, { host, 'sec-fetch-site': 'same-origin' })).toBe(403);
    }
  });

  it('a page of such a name may ask its own server', async () => {
    const own = { host: 'llm.example.com', origin: 'http://llm.example.com' };
    for (const url of urls()) expect(await statusOf(url, own)).toBe(200);
  });

  it.each(['/docs/', '/docs-json', '/asyncapi.json', '/docs/swagger-ui.css'])(
    '%s is shown to nobody there',
    async (path) => {
      expect([401, 403]).toContain(await statusOf(app.url + path, { host: 'localhost' }));
    },
  );
});

describe('the API documents on a loopback HOST', () => {
  let app: RunningServer;
  beforeAll(async () => (app = await startApp()));
  afterAll(() => app?.close());

  it.each(['x-forwarded-for', 'forwarded', 'x-real-ip', 'via', 'cf-connecting-ip'])(
    'are not shown through a proxy, which %s tells',
    async (name) => {
      for (const path of ['/docs/', '/docs-json', '/asyncapi.json']) {
        expect(await statusOf(app.url + path, {})).toBe(200);
        expect([401, 403]).toContain(await statusOf(app.url + path, { [name]: '203.0.113.9' }));
      }
    },
  );

  it.each(['/docs/swagger-ui.css.map', '/docs/swagger-ui-bundle.js.map', '/assets/index.js.map'])(
    '%s is not served at all',
    async (path) => expect(await statusOf(app.url + path, {})).toBe(404),
  );
});
