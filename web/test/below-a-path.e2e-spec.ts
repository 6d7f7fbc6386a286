import type { Browser } from 'playwright-core';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../../test/support/app.js';
import { onFreePort } from '../../test/support/free-port.js';
import { NGINX, Nginx } from '../../test/support/nginx.js';
import { describeIf } from '../../test/support/needs.js';
import { call } from '../../test/support/rest.js';
import { ScriptedUpstream } from '../../test/support/scripted-upstream.js';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { Chat } from './support/chat.js';

const PATH = '/tools/chat';

/** How a proxy shows the page below a path, and what llm-cast is told of it. */
const WAYS = [
  { what: 'taken off, on one port', isShared: true, isKept: false, isToldPath: false },
  { what: 'taken off, on one port, and told', isShared: true, isKept: false, isToldPath: true },
  { what: 'taken off, on two ports', isShared: false, isKept: false, isToldPath: true },
  { what: 'kept, on one port', isShared: true, isKept: true, isToldPath: true },
  { what: 'kept, on two ports', isShared: false, isKept: true, isToldPath: true },
];

describeInBrowser('the page', () => {
  let browser: Browser;
  let upstream: ScriptedUpstream;
  beforeAll(async () => {
    browser = await launchBrowser();
    upstream = await ScriptedUpstream.start();
  });
  afterAll(async () => {
    await browser?.close();
    await upstream?.close();
  });

  /** The page answers a question, as somebody sees it. Close it. */
  async function chats(url: string): Promise<Chat> {
    const chat = await Chat.open(browser, url);
    await chat.ask('Why is the sky blue?');
    (await upstream.nextCall()).text('The sky scatters blue light.').done();
    await chat.answered();
    await chat.sees('The sky scatters blue light.');
    expect(chat.offences).toEqual([]);
    return chat;
  }

  describeIf(...NGINX).each(WAYS)(
    'below a path that a proxy has $what',
    ({ isShared, isKept, isToldPath }) => {
      let app: RunningServer;
      let nginx: Nginx;
      beforeAll(async () => {
        const settings = {
          OLLAMA_BASE_URL: upstream.url,
          ...(isToldPath && { BASE_PATH: PATH }),
        };
        const start = (url: string): Promise<RunningServer> =>
          isShared
            ? onFreePort((port) => startApp({ ...settings, PORT: port, SOCKET_PORT: port }))
            : startApp({ ...settings, PUBLIC_SOCKET_URL: url });
        ({ app, nginx } = await Nginx.startWith(start, { path: PATH, isKept }));
      });
      afterAll(async () => {
        await nginx?.close();
        await app?.close();
      });

      it('answers, and leads to the doctor, who finds everything in order, and back', async () => {
        const { page, offences } = await chats(`${nginx.url}/`);
        await page.goto(`${nginx.url}/doctor/`);
        expect(page.url()).toBe(`${nginx.url}/doctor`);
        for (const check of ['rest', 'socket', 'origin', 'polling', 'websocket', 'upgrade']) {
          await page.locator(`[data-check=${check}][data-status=ok]`).waitFor();
        }
        await page.getByRole('link', { name: 'Back to the chat' }).click();
        await page.getByLabel('Your question').waitFor();
        expect(page.url()).toBe(`${nginx.url}/`);
        expect(offences).toEqual([]);
        await page.context().close();
      });

      it('is at the same place for REST, which says where a generation is', async () => {
        const { status, headers } = await call('POST', `${nginx.url}/llm/generate`, {
          prompt: 'x',
          onDisconnect: 'keep',
        });
        expect(status).toBe(201);
        const location = new URL(headers.get('location') ?? '', nginx.url);
        if (isToldPath) expect((await fetch(location)).status).toBe(200);
        (await upstream.nextCall()).done();
      });
    },
  );

  it('is found without the slash behind BASE_PATH, and with nothing in front', async () => {
    const app = await startApp({ OLLAMA_BASE_URL: upstream.url, BASE_PATH: PATH });
    try {
      expect((await fetch(`${app.url}${PATH}`)).url).toBe(`${app.url}${PATH}/`);
      expect((await fetch(`${app.url}${PATH}/docs`)).url).toBe(`${app.url}${PATH}/docs/`);
      await chats(`${app.url}${PATH}`);
      await chats(app.url);
    } finally {
      await app.close();
    }
  });

  it('answers under an IPv6 address, for which its policy has no notation', async () => {
    const app = await startApp({ OLLAMA_BASE_URL: upstream.url, HOST: '::1' });
    try {
      expect(new URL(app.url).hostname).toBe('[::1]');
      await chats(app.url);
    } finally {
      await app.close();
    }
  });
});

describe('a BASE_PATH that the server has addresses below', () => {
  it.each(['/llm', '/socket.io', '/health', '/assets', '/llm/generations'])(
    '%s stops the start',
    async (path) => {
      await expect(startApp({ BASE_PATH: path })).rejects.toThrow(
        `BASE_PATH must not be ${path}, where the server has addresses itself.`,
      );
    },
  );
});
