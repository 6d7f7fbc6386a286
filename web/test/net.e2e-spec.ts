import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { startApp } from '../../test/support/app.js';
import { Stage } from '../../test/support/stage.js';
import { until } from '../../test/support/until.js';
import { describeInBrowser, launchBrowser, playwright } from './support/browser.js';
import { Chat } from './support/chat.js';

describeInBrowser('the chat page where something is missing', () => {
  let browser: Browser;
  let context: BrowserContext;
  let stage: Stage;

  beforeAll(async () => {
    browser = await launchBrowser();
    stage = await Stage.open();
  });
  beforeEach(async () => {
    context = await browser.newContext();
  });
  afterEach(() => context?.close());
  afterAll(async () => {
    await browser?.close();
    await stage?.close();
  });

  async function answers(chat: Chat, { upstream } = stage): Promise<void> {
    await chat.ask('Hello?');
    (await upstream.nextCall()).text('Hello.').done();
    await chat.sees('Hello.');
    await chat.answered();
  }
  const isNotBlank = async (page: Page, text: string | RegExp): Promise<void> => {
    await page.getByText(text).waitFor();
    await page.getByRole('link', { name: 'Load it again' }).waitFor();
  };

  it('says so when its script does not come', async () => {
    const page = await context.newPage();
    await page.route('**/assets/index-*.js', (route) => route.abort());
    await page.goto(stage.app.url);
    await isNotBlank(page, 'This page could not be loaded.');
    await page.getByText(/^A script did not come: .*index-/).waitFor();
  });

  it('says that the browser is too old when it does not understand the script', async () => {
    const page = await context.newPage();
    await page.route('**/assets/index-*.js', (route) =>
      route.fulfill({ contentType: 'text/javascript', body: 'let a = @;' }),
    );
    await page.goto(stage.app.url);
    await isNotBlank(page, 'This page needs a newer browser: one of 2023 or later.');
  });

  it('says why when it breaks before there is anything to see', async () => {
    const page = await context.newPage();
    await page.addInitScript(() => {
      Object.defineProperty(globalThis, 'ResizeObserver', { value: undefined });
    });
    await page.goto(stage.app.url);
    await page.getByText(/This page could not be/).waitFor();
    await page.getByText(/ResizeObserver/).waitFor();
  });

  it('chats, and its tabs hear of each other, without BroadcastChannel', async () => {
    await context.addInitScript(() => {
      Object.defineProperty(globalThis, 'BroadcastChannel', { value: undefined });
    });
    const [chat, other] = [
      await Chat.open(context, stage.app.url),
      await Chat.open(context, stage.app.url),
    ];
    await answers(chat);
    await other.page.getByRole('link', { name: 'Hello?' }).click();
    await other.sees('Hello.');
    expect([...chat.offences, ...other.offences]).toEqual([]);
  });

  it('chats where all site data is blocked, and says that it keeps nothing', async () => {
    await context.addInitScript(() => {
      const deny = (): never => {
        throw new DOMException('Access is denied for this document.', 'SecurityError');
      };
      for (const name of ['localStorage', 'sessionStorage', 'indexedDB', 'caches']) {
        Object.defineProperty(globalThis, name, { get: deny });
      }
      Object.defineProperty(globalThis, 'BroadcastChannel', { value: deny });
      Object.defineProperty(globalThis, 'Worker', { value: deny });
      ServiceWorkerContainer.prototype.register = () => Promise.reject(new Error('denied'));
      StorageManager.prototype.persist = () => Promise.reject(new Error('denied'));
    });
    const chat = await Chat.open(context, stage.app.url);
    await answers(chat);
    await chat.sees("Not saved: the browser's storage is full or blocked.");
    await chat.button('Theme: system').click();
    expect(chat.offences).toEqual([]);
  });

  describe('once it was there, of a server that is away', () => {
    let was: Stage;
    /** A page that has an answer, and that the browser keeps. */
    let chat: Chat;
    let port: number;

    beforeAll(async () => {
      was = await Stage.open();
      port = Number(new URL(was.app.url).port);
      chat = await Chat.open(browser, was.app.url);
      await answers(chat, was);
      await chat.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
      await chat.page.reload();
      await chat.sees('Hello.');
      await was.app.close();
    });
    afterAll(async () => {
      await chat?.page.context().close();
      await was?.upstream.close();
    });

    it('opens with its conversations', async () => {
      await chat.page.context().setOffline(true);
      await chat.page.reload();
      await chat.sees('Hello.');
      await chat.page.getByText('You are offline.').waitFor();
      await chat.page.context().setOffline(false);
    });

    it('opens also where a proxy answers in its place', async () => {
      const proxy = createServer((_request, response) =>
        response.writeHead(502).end('Bad Gateway'),
      );
      await once(proxy.listen(port, '127.0.0.1'), 'listening');
      try {
        await chat.page.reload();
        await chat.sees('Hello.');
        await chat.page.getByText('Reconnecting to the server.').waitFor();
      } finally {
        proxy.closeAllConnections();
        proxy.close();
      }
    });

    it('keeps nothing that the proxy answers, such as the page to sign in', async () => {
      // Some answer with it at once, others send to where it is.
      const proxy = createServer(({ url }, response) => {
        if (url !== '/' && url !== '/sign-in') {
          return response.writeHead(302, { location: '/sign-in' }).end();
        }
        return response.setHeader('content-type', 'text/html').end('<title>Welcome</title>Sign in');
      });
      await once(proxy.listen(port, '127.0.0.1'), 'listening');
      try {
        await chat.page.reload();
        await chat.sees('Sign in');
        const asked = ['page.json', 'assets/new.js'];
        const kept = await chat.page.evaluate(async (names) => {
          for (const name of names) await (await fetch(name)).text();
          return Promise.all(names.map(async (name) => (await caches.match(name))?.redirected));
        }, asked);
        expect(kept).toEqual([false, undefined]);
      } finally {
        proxy.closeAllConnections();
        proxy.close();
      }
      await chat.page.reload();
      await chat.sees('Hello.');
    });

    it('is that of the server where the browser has no room to keep it', async () => {
      const { origin } = new URL(chat.page.url());
      const devtools = await chat.page.context().newCDPSession(chat.page);
      await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1 });
      // Its socket is on another port now, and the page that is kept does not know it.
      const app = await startApp({ OLLAMA_BASE_URL: was.upstream.url, PORT: port });
      try {
        await chat.page.reload();
        await chat.button('New conversation').click();
        await chat.ask('Still there?');
        (await was.upstream.nextCall()).text('Yes.').done();
        await chat.sees('Yes.');
        // Of files that it has not yet.
        await chat.page.getByRole('link', { name: 'Connection doctor' }).click();
        await chat.page.getByRole('heading', { name: 'Connection doctor' }).waitFor();
      } finally {
        await app.close();
      }
    });
  });

  it('is not kept where a proxy answers for a part of it', async () => {
    const app = new URL(stage.app.url);
    let isSignedIn = true;
    const proxy = createServer((request, response) => {
      const { url = '', headers } = request;
      // What the worker fetches for itself, not what is shown.
      const isSent = headers['sec-fetch-mode'] !== 'navigate' && url === '/' && !isSignedIn;
      if (isSent) return response.writeHead(302, { location: '/sign-in' }).end();
      if (url === '/sign-in') {
        return response.setHeader('content-type', 'text/html').end('Sign in');
      }
      const { port, hostname: host } = app;
      const through = forward({ host, port, path: url, headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      });
      return through.end();
    });
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
    const { port } = proxy.address() as AddressInfo;
    try {
      const page = await context.newPage();
      const keptAt = (): Promise<number | undefined> =>
        page.evaluate(async () => (await caches.match('./'))?.status);
      const installed = (): Promise<string | undefined> =>
        page.evaluate(async () => {
          const registration = await navigator.serviceWorker.getRegistration();
          const { installing, active } = registration ?? {};
          return installing?.state ?? active?.state;
        });
      isSignedIn = false;
      await page.goto(`http://127.0.0.1:${port}/`);
      await page.getByLabel('Your question').waitFor();
      await page.evaluate(() => navigator.serviceWorker.register('sw.js').then(() => undefined));
      await until(async () => (await installed()) !== 'installing');
      expect(await keptAt()).toBeUndefined();
      isSignedIn = true;
      await page.reload();
      await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
      expect(await keptAt()).toBe(200);
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  });

  it('is kept beside that of another version below another path', async () => {
    const dist = new URL('../../web/dist/', import.meta.url);
    const types: Record<string, string> = { '.js': 'text/javascript', '.html': 'text/html' };
    const server = createServer(({ url = '' }, response) => {
      const [, path, name = ''] = /^\/(one|two)\/([^?]*)/.exec(url) ?? [];
      if (path === undefined) return response.writeHead(404).end();
      if (name === 'page.json') return response.end('{}');
      const file = name === '' ? 'index.html' : name;
      if (!existsSync(new URL(file, dist))) return response.writeHead(404).end();
      let content: string | Buffer = readFileSync(new URL(file, dist));
      if (file === 'sw.js') content = String(content).replace(/"([0-9a-f]{12})"/, `"$1-${path}"`);
      response.setHeader('content-type', types[extname(file)] ?? 'application/octet-stream');
      return response.end(content);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    try {
      const page = await context.newPage();
      const { port } = server.address() as AddressInfo;
      for (const path of ['one', 'two']) {
        await page.goto(`http://127.0.0.1:${port}/${path}/`);
        await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
        // Ready is a worker that has begun to activate.
        await until(() =>
          page.evaluate(() =>
            navigator.serviceWorker
              .getRegistration()
              .then((registration) => registration?.active?.state === 'activated'),
          ),
        );
      }
      const kept = await page.evaluate(async () =>
        Promise.all(['/one/', '/two/'].map(async (path) => (await caches.match(path))?.status)),
      );
      expect(kept).toEqual([200, 200]);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  // `npm install @sparticuz/chromium` in a folder of its own brings old ones: 119.0.2 is of autumn 2023,
  // 111.0.0 of its spring, and has no popovers.
  const old = process.env['OLD_CHROMIUM'] ?? '';
  const inOldBrowser = existsSync(old) ? it : it.skip;
  inOldBrowser('chats in a browser that is three years old', async () => {
    const args = ['--no-sandbox', '--disable-gpu', '--headless'];
    const { chromium } = await playwright();
    const ancient = await chromium.launch({ executablePath: old, args });
    try {
      const page = await ancient.newPage();
      const errors: string[] = [];
      page.on('pageerror', ({ message }) => errors.push(message));
      await page.goto(stage.app.url);
      const field = page.getByLabel('Your question');
      await field.fill('Hello?');
      await field.press('Enter');
      const call = await stage.upstream.nextCall();
      call.text('So $x^2$:\n\n```js\nlet a;\n```\n').done();
      await page.locator('math').waitFor();
      await page.locator('.hljs-keyword').waitFor();
      await page.getByRole('button', { name: /^Model:/ }).click();
      await page.getByRole('radio').first().waitFor();
      expect(errors).toEqual([]);
    } finally {
      await ancient.close();
    }
  });
});
