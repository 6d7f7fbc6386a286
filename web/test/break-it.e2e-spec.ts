import axe from 'axe-core';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { startDemo } from '../../src/demo/start.js';
import type { RunningServer } from '../../src/server.js';
import { call } from '../../test/support/rest.js';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { Chat } from './support/chat.js';

/** Its answer takes longer than a fault does. */
const QUESTION = 'How is its speed measured?';

interface Kept {
  generationId: string;
  text: string;
}

/** Concurrent tests begin before `beforeAll`. */
let launched: Promise<Browser> | undefined;

/** The panel in the page of a demo of its own: what goes offline there is everybody. */
class Stand {
  private constructor(
    private readonly demo: RunningServer,
    readonly context: BrowserContext,
    readonly chat: Chat,
  ) {}

  static async during(visit: (stand: Stand) => Promise<void>): Promise<void> {
    const browser = await (launched ??= launchBrowser());
    const demo = await startDemo({
      PORT: '0',
      SOCKET_PORT: '0',
      LOG_LEVEL: 'fatal',
      DRAIN_MS: '0',
    });
    const context = await browser.newContext();
    try {
      const chat = await Chat.open(context, demo.url);
      await panelOf(chat.page).getByText('Try to break it').click();
      await visit(new Stand(demo, context, chat));
      expect(chat.offences).toEqual([]);
    } finally {
      await context.close();
      await demo.close();
    }
  }

  /** Which of the faults can be had. */
  faults(): Promise<boolean[]> {
    return Promise.all(
      ['Cut this connection', 'Go offline for 10 s', 'Stall this reader'].map((name) =>
        this.chat.button(name).isEnabled(),
      ),
    );
  }

  async askAndRead(): Promise<void> {
    await this.chat.ask(QUESTION);
    await this.chat.answers.getByText('npm run bench').first().waitFor();
  }

  /** Waits for the end, and compares what the page has with what the server has. */
  async expectWhole(page: Page): Promise<void> {
    await panelOf(page).getByText('Text proved by SHA-256').waitFor();
    await page.getByRole('button', { name: 'Send', exact: true }).waitFor();
    const { generationId, text } = await kept(page);
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

/** The last answer, as this browser keeps it. */
function kept(page: Page): Promise<Kept> {
  return page.evaluate(
    () =>
      new Promise<Kept>((resolve, reject) => {
        const opening = indexedDB.open('llm-cast');
        opening.addEventListener('error', () => reject(new Error('no database')));
        opening.addEventListener('success', () => {
          const store = opening.result.transaction('conversations').objectStore('conversations');
          const reading = store.getAll();
          reading.addEventListener('success', () => {
            const [{ turns }] = reading.result as [{ turns: { answer: Kept }[] }];
            resolve(turns.at(-1)!.answer);
          });
        });
      }),
  );
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
  ])('%s: says so, comes back, and has all of the answer', (name, happened, seconds, reconnects) =>
    Stand.during(async (stand) => {
      const { chat } = stand;
      await stand.askAndRead();
      await chat.button(name).click();
      const story = panelOf(chat.page).getByText(
        new RegExp(`^${happened} after \\d+ records; back in [\\d.]+ s; 0 lost, 0 repeated\\.$`),
      );
      await panelOf(chat.page).getByText(`${happened} after`).waitFor();
      expect(await stand.faults()).toEqual([false, false, false]);
      await story.waitFor();
      const [, after, silence] = /after (\d+) records; back in ([\d.]+) s/.exec(
        await story.innerText(),
      )!;
      expect(Number(silence)).toBeGreaterThan(seconds * 0.9);
      await stand.expectWhole(chat.page);
      expect(await count(chat.page, 'Records')).toBeGreaterThan(Number(after) + 20);
      expect(await count(chat.page, 'Reconnects')).toBe(reconnects);
    }),
  );

  it.concurrent('opens a second tab that streams the same answer', () =>
    Stand.during(async (stand) => {
      const { chat, context } = stand;
      await stand.askAndRead();
      const [second] = await Promise.all([
        context.waitForEvent('page'),
        chat.button('Open a second tab').click(),
      ]);
      await panelOf(second).getByText('Try to break it').click();
      await second.getByText('npm run bench').first().waitFor();
      for (const page of [chat.page, second]) {
        const stop = page.getByRole('button', { name: 'Stop', exact: true });
        expect(await stop.isVisible()).toBe(true);
      }
      await Promise.all([stand.expectWhole(chat.page), stand.expectWhole(second)]);
    }),
  );

  it.concurrent('can be used only while there is something to break, with a hint until then', () =>
    Stand.during(async (stand) => {
      const { chat } = stand;
      await panelOf(chat.page).getByText('Ask something, and press one of these').waitFor();
      expect(await stand.faults()).toEqual([false, false, false]);
      await stand.askAndRead();
      expect(await stand.faults()).toEqual([true, true, true]);
      await panelOf(chat.page).getByText('Text proved').waitFor();
      expect(await stand.faults()).toEqual([false, false, false]);
    }),
  );

  it.concurrent('has nothing that axe finds serious', () =>
    Stand.during(async ({ chat }) => {
      await chat.page.evaluate(axe.source);
      const { violations } = await chat.page.evaluate(() =>
        (globalThis as unknown as { axe: typeof axe }).axe.run('.break-it'),
      );
      const serious = violations.filter(
        ({ impact }) => impact === 'serious' || impact === 'critical',
      );
      expect(serious.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
    }),
  );
});
