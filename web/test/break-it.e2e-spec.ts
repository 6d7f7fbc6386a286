import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import type * as Loading from '../../src/config/load.js';
import type * as Module from '../../src/demo/demo.module.js';
import type * as Proxy from '../../src/demo/fault-proxy.js';
import type * as Demo from '../../src/demo/start.js';
import type * as Serving from '../../src/server.js';
import { call } from '../../test/support/rest.js';
import { ScriptedUpstream, type UpstreamCall } from '../../test/support/scripted-upstream.js';
import { until } from '../../test/support/until.js';
import { faults } from './support/axe.js';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { Chat } from './support/chat.js';
import { keptAnswer } from './support/kept-answer.js';

/** Its answer takes longer than a fault does. */
const QUESTION = 'How is its speed measured?';

const FAULTS = ['Cut this connection', 'Go offline for 10 s', 'Stall this reader'];

const SETTINGS = { PORT: '0', SOCKET_PORT: '0', LOG_LEVEL: 'fatal', DRAIN_MS: '0' };

async function startDemo(): Promise<Serving.RunningServer> {
  const { startDemo } = await importOnce<typeof Demo>('src/demo/start.ts');
  return startDemo(SETTINGS);
}

/** The demo's page in front of a model that says what a test has it say, when it does. */
async function startOn(upstream: ScriptedUpstream): Promise<Serving.RunningServer> {
  const { FaultProxy } = await importOnce<typeof Proxy>('src/demo/fault-proxy.ts');
  const { DemoModule } = await importOnce<typeof Module>('src/demo/demo.module.ts');
  const { startServer } = await importOnce<typeof Serving>('src/server.ts');
  const { loadConfig } = await importOnce<typeof Loading>('src/config/load.ts');
  const proxy = await FaultProxy.listen({ host: '127.0.0.1', port: 0 });
  const server = await startServer(loadConfig({ ...SETTINGS, OLLAMA_BASE_URL: upstream.url }), {
    questions: [],
    longQuestion: QUESTION,
    socketPort: proxy.port,
    module: DemoModule.with(proxy),
  });
  proxy.target = { host: '127.0.0.1', port: Number(new URL(server.socketUrl).port) };
  return {
    ...server,
    close: async () => {
      await server.close();
      await proxy.close();
      await upstream.close();
    },
  };
}

/** Goes on with an answer word by word, for as long as a fault takes. @returns what ends it */
function speak(answer: UpstreamCall): () => void {
  answer.text('As npm run bench says: ');
  const timer = setInterval(() => answer.text('word '), 100);
  return () => {
    clearInterval(timer);
    answer.done();
  };
}

/** Concurrent tests begin before `beforeAll`. */
let launched: Promise<Browser> | undefined;

/** The panel in the page of a demo of its own: what goes offline there is everybody. */
class Stand {
  private constructor(
    private readonly demo: Serving.RunningServer,
    readonly context: BrowserContext,
    readonly chat: Chat,
  ) {}

  static async during(
    visit: (stand: Stand) => Promise<void>,
    start: () => Promise<Serving.RunningServer> = startDemo,
  ): Promise<void> {
    const browser = await (launched ??= launchBrowser());
    const demo = await start();
    const context = await browser.newContext();
    try {
      const chat = await Chat.open(context, demo.url);
      await visit(new Stand(demo, context, chat));
      expect(chat.offences).toEqual([]);
    } finally {
      await context.close();
      await demo.close();
    }
  }

  /** Which of the faults can be had. */
  faults(): Promise<boolean[]> {
    return Promise.all(FAULTS.map((name) => this.chat.button(name).isEnabled()));
  }

  /** From now on the page notes whether none of them can be had, however short that is. */
  watchFaults(): Promise<void> {
    return panelOf(this.chat.page).evaluate((panel, names) => {
      const buttons = [...panel.querySelectorAll('button')].filter((button) =>
        names.includes(button.textContent.trim()),
      );
      window.noFaults = new Promise((resolve) => {
        const look = (): void => {
          if (buttons.every((button) => button.disabled)) resolve();
        };
        new MutationObserver(look).observe(panel, { attributes: true, subtree: true });
      });
    }, FAULTS);
  }

  /** Waits for the end, and compares what the page has with what the server has. */
  async expectWhole(page: Page): Promise<void> {
    await panelOf(page).getByText('Text proved by SHA-256').waitFor();
    await page.getByRole('button', { name: 'Send', exact: true }).waitFor();
    const { generationId, text } = (await keptAnswer(page))!;
    const { body } = await call('GET', `${this.demo.url}/llm/generations/${generationId}`);
    expect(body).toMatchObject({ state: 'completed', text, seq: await count(page, 'Records') });
    expect([await count(page, 'Lost'), await count(page, 'Repeated')]).toEqual([0, 0]);
  }
}

const panelOf = (page: Page): Locator => page.locator('.break-it');

/** A number of the panel. */
async function count(page: Page, name: string): Promise<number> {
  const cell = panelOf(page).locator('dl > div', { hasText: name }).locator('dd');
  return Number(await cell.innerText());
}

describeInBrowser('the break-it panel', () => {
  afterAll(async () => {
    const browser = await launched;
    await browser?.close();
  });

  it.concurrent.each([
    ['Cut this connection', 'Cut', 0, 1],
    ['Go offline for 10 s', 'Offline', 10, 1],
    ['Stall this reader', 'Stalled', 10, 0],
  ])(
    '%s: says so, comes back, and has all of the answer',
    async (name, happened, seconds, reconnects) => {
      const upstream = await ScriptedUpstream.start();
      const visit = async (stand: Stand): Promise<void> => {
        const { chat } = stand;
        await chat.ask(QUESTION);
        const end = speak(await upstream.nextCall());
        await chat.answers.getByText('npm run bench').first().waitFor();
        await stand.watchFaults();
        await chat.button(name).click();
        const story = panelOf(chat.page).getByText(
          new RegExp(`^${happened} after \\d+ records; back in [\\d.]+ s; 0 lost, 0 repeated\\.$`),
        );
        await panelOf(chat.page).getByText(`${happened} after`).waitFor();
        await chat.page.evaluate(() => window.noFaults);
        await story.waitFor();
        const [, after, silence] = /after (\d+) records; back in ([\d.]+) s/.exec(
          await story.innerText(),
        )!;
        expect(Number(silence)).toBeGreaterThan(seconds * 0.9);
        await until(async () => (await count(chat.page, 'Records')) > Number(after) + 20);
        end();
        await stand.expectWhole(chat.page);
        expect(await count(chat.page, 'Reconnects')).toBe(reconnects);
      };
      await Stand.during(visit, () => startOn(upstream));
    },
  );

  it.concurrent('opens a second tab that streams the same answer', async () => {
    const upstream = await ScriptedUpstream.start();
    await Stand.during(
      async (stand) => {
        const { chat, context } = stand;
        await chat.ask(QUESTION);
        const answer = (await upstream.nextCall()).text('With ');
        await chat.answers.getByText('With').first().waitFor();
        const [second] = await Promise.all([
          context.waitForEvent('page'),
          chat.button('Open a second tab').click(),
        ]);
        const tabs = [chat.page, second];
        await second.locator('.answer').getByText('With').first().waitFor();
        for (const piece of ['npm ', 'run ', 'bench, ', 'as ']) answer.text(piece);
        for (const page of tabs) {
          await page.locator('.answer').getByText('npm run bench').first().waitFor();
          const stop = page.getByRole('button', { name: 'Stop', exact: true });
          expect(await stop.isVisible()).toBe(true);
        }
        answer.text('it says.').done();
        await Promise.all(tabs.map((page) => stand.expectWhole(page)));
      },
      () => startOn(upstream),
    );
  });

  it.concurrent('asks for a long answer by itself where none is coming, and breaks that', () =>
    Stand.during(async (stand) => {
      const { chat } = stand;
      await panelOf(chat.page).getByText('Each breaks the answer').waitFor();
      expect(await stand.faults()).toEqual([true, true, true]);
      await chat.button('Go offline for 10 s').click();
      await chat.page.getByText(QUESTION, { exact: true }).last().waitFor();
      await panelOf(chat.page)
        .getByText(/^Offline after \d+ records; back in [\d.]+ s; 0 lost, 0 repeated\.$/)
        .waitFor();
      expect(await chat.answers.count()).toBe(1);
      await stand.expectWhole(chat.page);
    }),
  );

  describe('where nobody goes offline', () => {
    let demo: Serving.RunningServer;
    let chat: Chat;

    beforeAll(async () => {
      demo = await startDemo();
      chat = await Chat.open(await (launched ??= launchBrowser()), demo.url);
    });
    afterEach(() => expect(chat.offences).toEqual([]));
    afterAll(async () => {
      await chat?.page.context().close();
      await demo?.close();
    });

    it('leaves a phone the beginning of the page', async () => {
      const desktop = chat.page.viewportSize()!;
      await chat.page.setViewportSize({ width: 390, height: 600 });
      await chat.page.reload();
      await chat.button('Cut this connection').waitFor();
      const top = (): Promise<number> =>
        chat.page.locator('.viewport').evaluate((viewport) => viewport.scrollTop);
      await chat.page.setViewportSize({ width: 360, height: 560 });
      await chat.page.evaluate(() => new Promise((drawn) => requestAnimationFrame(drawn)));
      expect(await top()).toBe(0);
      expect(await chat.button('Latest').count()).toBe(0);
      await chat.page.setViewportSize(desktop);
    });

    it('is open until it is closed, and stays closed then', async () => {
      const summary = panelOf(chat.page).getByText('Try to break it');
      const cut = chat.button('Cut this connection');
      await cut.waitFor();
      await summary.click();
      await cut.waitFor({ state: 'hidden' });
      await chat.page.reload();
      await summary.waitFor();
      expect(await cut.isVisible()).toBe(false);
      await summary.click();
      await cut.waitFor();
      await chat.page.reload();
      await cut.waitFor();
    });

    it('has nothing that axe finds serious', async () => {
      await chat.ask('hello');
      await chat.button('How do I use it with Vue?').waitFor();
      for (const width of [1280, 390]) expect(await faults(chat.page, width)).toEqual([]);
    });

    it('has what an answer suggests to ask next as buttons', async () => {
      await chat.page.setViewportSize({ width: 1280, height: 800 });
      await chat.button('How do I use it with Vue?').last().click();
      await chat.answers.nth(1).getByText('useConversation').first().waitFor();
      await chat.page.keyboard.press('Escape');
      await chat.sees('Stopped.');
      expect(await chat.button('more').count()).toBe(0);
      await chat.ask('How do I cancel a generation?');
      await chat.button('more').click();
      await chat.answers.nth(3).getByText('I looked that up').waitFor();
      const next = chat.page.getByRole('list', { name: 'What to ask next' }).getByRole('button');
      await next.nth(1).waitFor();
    });
  });
});

declare global {
  interface Window {
    noFaults: Promise<void>;
  }
}
