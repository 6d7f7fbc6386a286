import type { Browser } from 'playwright-core';
import type { RunningServer } from '../../src/server.js';
import { NOBODY, startApp } from '../../test/support/app.js';
import { ScriptedUpstream } from '../../test/support/scripted-upstream.js';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { Chat } from './support/chat.js';

describeInBrowser('the chat page, while there is no answer', () => {
  let browser: Browser;
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  /** In contexts of their own, for the cases to come. */
  const chats: Chat[] = [];

  /** The page of somebody, where a conversation begins. @param who a number for each of them */
  async function open(who = 0): Promise<Chat> {
    const chat = (chats[who] ??= await Chat.open(browser, app.url));
    await chat.begin();
    return chat;
  }

  /** On a server with these settings, for one case. */
  async function during(
    env: Record<string, string | number>,
    visit: (open: () => Promise<Chat>) => Promise<void>,
  ): Promise<void> {
    const other = await startApp({ OLLAMA_BASE_URL: upstream.url, ...env });
    const opened: Chat[] = [];
    try {
      await visit(async () => {
        const chat = await Chat.open(browser, other.url);
        opened.push(chat);
        return chat;
      });
    } finally {
      for (const { page } of opened) await page.context().close();
      await other.close();
    }
  }

  beforeAll(async () => {
    browser = await launchBrowser();
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, ALLOW_PULL: 'true' });
  });
  afterEach(() => upstream.forget());
  afterAll(async () => {
    await browser?.close();
    await app?.close();
    await upstream?.close();
  });

  it('shows the place in the line, moves up in it, and shows how long it takes', async () => {
    const [one, two, three] = [await open(), await open(1), await open(2)];
    await one.ask('One?');
    const running = await upstream.nextCall();
    await two.ask('Two?');
    await two.sees('Next in line');
    await three.ask('Three?');
    await three.sees('Number 2 in line');
    running.text('One.').done();
    await three.sees(/^Next in line, about \d+ s$/);
    (await upstream.nextCall()).text('Two.').done();
    await two.sees('Two.');
    (await upstream.nextCall()).text('Three.').done();
    await three.sees('Three.');
  });

  it('says that the model is being loaded when it is silent for long', async () => {
    const chat = await open();
    await chat.ask('Are you awake?');
    const call = await upstream.nextCall();
    await chat.button('Stop').waitFor();
    expect(await chat.page.getByText('Loading the model').count()).toBe(0);
    await chat.sees(/^Loading the model… \d/);
    call.text('Now I am.').done();
    await chat.sees('Now I am.');
    expect(await chat.page.getByText('Loading the model').count()).toBe(0);
  });

  it('leaves a question that waits when it is stopped', async () => {
    const [one, two] = [await open(), await open(1)];
    await one.ask('One?');
    const running = await upstream.nextCall();
    await two.ask('Two?');
    await two.sees('Next in line');
    await two.page.keyboard.press('Escape');
    await two.sees('Stopped.');
    running.done();
    await one.answered();
    expect(upstream.calls.length).toBe(1);
  });

  it('names an unreachable model server, and leads to the doctor', () =>
    during({ OLLAMA_BASE_URL: NOBODY }, async (open) => {
      const chat = await open();
      await chat.ask('Hello?');
      await chat.sees('upstream_unreachable');
      await chat.sees('The model server cannot be reached.');
      await chat.button('Retry').waitFor();
      await chat.button(/^Model:/).click();
      await chat.sees('The model server cannot be reached.');
      await chat.page.keyboard.press('Escape');
      await chat.page.locator('.failure').getByRole('link', { name: 'Doctor' }).click();
      await chat.page.waitForURL('**/doctor');
    }));

  it('offers another model for one that is not installed, and no pull where it is not allowed', () =>
    during({ OLLAMA_MODEL: 'missing' }, async (open) => {
      const chat = await open();
      await chat.ask('Hello?');
      (await upstream.nextCall()).json(404, { error: "model 'missing' not found" });
      await chat.sees('model_not_found');
      await chat.button('Pick another model').click();
      const other = chat.page.getByRole('radio', { name: /^llama3\.2/ });
      await other.waitFor();
      expect(await chat.page.getByLabel('Pull another model').count()).toBe(0);
      await other.click();
      await chat.button('Retry').click();
      const call = await upstream.nextCall();
      expect(call.body['model']).toBe('llama3.2');
      call.text('Hello.').done();
      await chat.sees('Hello.');
      expect(await chat.page.getByText('model_not_found').count()).toBe(0);
    }));

  it('keeps the part of an answer that broke off, and says that it is one', async () => {
    const chat = await open();
    await chat.ask('Tell me.');
    (await upstream.nextCall()).text('Half of it').end();
    await chat.sees('upstream_truncated');
    await chat.sees('The answer ended before it was complete.');
    expect(await chat.answers.innerText()).toContain('Half of it');
    await chat.page.reload();
    await chat.sees('upstream_truncated');
  });

  it('says that the line is full, and asks again', () =>
    during({ MAX_QUEUE: 0 }, async (open) => {
      const [one, two] = [await open(), await open()];
      await one.ask('One?');
      const running = await upstream.nextCall();
      await two.ask('Two?');
      await two.sees('queue_full');
      running.done();
      await one.answered();
      await two.button('Retry').click();
      (await upstream.nextCall()).text('Two.').done();
      await two.sees('Two.');
    }));

  it('pulls a model where that is allowed, with its progress, over a reload', async () => {
    const chat = await open();
    await chat.button(/^Model:/).click();
    await chat.page.getByLabel('Pull another model').fill('tiny:1b');
    await chat.page.keyboard.press('Enter');
    const call = await upstream.nextCall();
    expect(call.body['model']).toBe('tiny:1b');
    const layer = { status: 'pulling aabbcc', digest: 'sha256:aabbcc', total: 2_000_000_000 };
    call.line({ status: 'pulling manifest' }).line({ ...layer, completed: 500_000_000 });
    await chat.sees('500 MB of 2.0 GB');
    expect(await chat.page.getByRole('progressbar').getAttribute('value')).toBe('500000000');
    await chat.page.reload();
    await chat.sees('500 MB of 2.0 GB');
    upstream.models.push('tiny:1b');
    call.line({ status: 'success' }).end();
    await chat.sees('tiny:1b ready');
    await chat.button(/^Model:/).click();
    await chat.page.getByRole('radio', { name: /^tiny:1b/ }).waitFor();
  });

  it('stops a pull, and says why one failed', async () => {
    const chat = await open();
    const pull = async (): Promise<void> => {
      await chat.button(/^Model:/).click();
      await chat.page.getByLabel('Pull another model').fill('tiny:1b');
      await chat.page.keyboard.press('Enter');
      await chat.page.keyboard.press('Escape');
    };
    await pull();
    const call = await upstream.nextCall();
    call.line({ status: 'pulling manifest' });
    await chat.sees('pulling manifest');
    await chat.button('Stop the pull').click();
    await call.closed;
    await chat.sees('stopped; the next pull goes on from here');
    await pull();
    (await upstream.nextCall()).line({ error: 'no space left on device' }).end();
    await chat.sees(/no space left|The model server failed/);
  });

  it('says why a pull did not begin when a proxy answers in the place of the server', async () => {
    const chat = await open();
    const page = '<html><h1>Bad gateway</h1></html>';
    await chat.page.route('**/llm/models/pull', (route) =>
      route.fulfill({ status: 502, contentType: 'text/html', body: page }),
    );
    await chat.button(/^Model:/).click();
    await chat.page.getByLabel('Pull another model').fill('tiny:1b');
    await chat.page.keyboard.press('Enter');
    await chat.sees('The server does not answer (HTTP 502).');
    await chat.page.unroute('**/llm/models/pull');
  });

  it('chats and pulls in a browser that keeps no site data', async () => {
    const chat = await Chat.open(browser, app.url, () => {
      Object.defineProperty(globalThis, 'sessionStorage', {
        get: () => {
          throw new DOMException('denied', 'SecurityError');
        },
      });
    });
    await chat.ask('Hello?');
    (await upstream.nextCall()).text('Hello.').done();
    await chat.sees('Hello.');
    await chat.button(/^Model:/).click();
    await chat.page.getByLabel('Pull another model').fill('tiny:1b');
    await chat.page.keyboard.press('Enter');
    const call = await upstream.nextCall();
    call.line({ status: 'pulling manifest' });
    await chat.sees('tiny:1b is being pulled');
    call.line({ status: 'success' }).end();
    await chat.sees('tiny:1b ready');
    expect(chat.offences).toEqual([]);
    await chat.page.context().close();
  });

  it('says that the server does not answer, and is there again when it does', async () => {
    const page = await browser.newPage();
    try {
      await page.route('**/page.json', (route) => route.fulfill({ status: 503 }));
      await page.goto(app.url);
      await page.getByRole('heading', { name: 'The server does not answer' }).waitFor();
      await page.unroute('**/page.json');
      await page.getByRole('link', { name: 'Load it again' }).click();
      await page.getByLabel('Your question').waitFor();
    } finally {
      await page.close();
    }
  });

  it('says that it loads while the server is slow', async () => {
    const page = await browser.newPage();
    try {
      let answer = (): void => undefined;
      const slow = new Promise<void>((resolve) => (answer = resolve));
      await page.route('**/page.json', async (route) => {
        await slow;
        await route.continue();
      });
      await page.goto(app.url);
      await page.getByText('Loading…').waitFor();
      answer();
      await page.getByLabel('Your question').waitFor();
      expect(await page.getByText('Loading…').count()).toBe(0);
    } finally {
      await page.close();
    }
  });
});
