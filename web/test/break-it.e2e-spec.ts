import axe from 'axe-core';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { startDemo } from '../../src/demo/start.js';
import type { RunningServer } from '../../src/server.js';
import { call } from '../../test/support/rest.js';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { Chat } from './support/chat.js';

/** Faults last 10 s, and the model speaks as fast as a real one. */
const PATIENCE_MS = 90_000;
/** Its answer takes longer than a fault does. */
const QUESTION = 'How is its speed measured?';

interface Kept {
  generationId: string;
  text: string;
}

describeInBrowser('the break-it panel', () => {
  let browser: Browser;
  let demo: RunningServer;
  let context: BrowserContext;
  let chat: Chat;

  beforeAll(async () => {
    browser = await launchBrowser();
    demo = await startDemo({ PORT: '0', SOCKET_PORT: '0', LOG_LEVEL: 'fatal', DRAIN_MS: '0' });
  });
  beforeEach(async () => {
    context = await browser.newContext();
    chat = await Chat.open(context, demo.url);
    await panelOf(chat.page).getByText('Try to break it').click();
  });
  afterEach(async () => {
    expect(chat.offences).toEqual([]);
    await context?.close();
  });
  afterAll(async () => {
    await demo?.close();
    await browser?.close();
  });

  const panelOf = (page: Page): Locator => page.locator('.break-it');
  const faults = (): Promise<boolean[]> =>
    Promise.all(
      ['Cut this connection', 'Go offline for 10 s', 'Stall this reader'].map((name) =>
        chat.button(name).isEnabled(),
      ),
    );
  /** A number of the panel. */
  const count = async (page: Page, name: string): Promise<number> => {
    const cell = panelOf(page).locator('dl > div', { hasText: name }).locator('dd');
    return Number(await cell.innerText());
  };
  /** The last answer, as this browser keeps it. */
  const kept = (page: Page): Promise<Kept> =>
    page.evaluate(
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
  /** Waits for the end, and compares what the page has with what the server has. */
  const expectWhole = async (page: Page): Promise<void> => {
    await panelOf(page).getByText('Text proved by SHA-256').waitFor({ timeout: PATIENCE_MS });
    await page.getByRole('button', { name: 'Send', exact: true }).waitFor();
    const { generationId, text } = await kept(page);
    const { body } = await call('GET', `${demo.url}/llm/generations/${generationId}`);
    expect(body).toMatchObject({ state: 'completed', text, seq: await count(page, 'Records') });
    expect([await count(page, 'Lost'), await count(page, 'Repeated')]).toEqual([0, 0]);
  };
  const askAndRead = async (): Promise<void> => {
    await chat.ask(QUESTION);
    await chat.answers.getByText('npm run bench').first().waitFor({ timeout: PATIENCE_MS });
  };

  it.each([
    ['Cut this connection', 'Cut', 0, 1],
    ['Go offline for 10 s', 'Offline', 10, 1],
    ['Stall this reader', 'Stalled', 10, 0],
  ])(
    '%s: says so, comes back, and has all of the answer',
    async (name, happened, seconds, reconnects) => {
      await askAndRead();
      await chat.button(name).click();
      const story = panelOf(chat.page).getByText(
        new RegExp(`^${happened} after \\d+ records; back in [\\d.]+ s; 0 lost, 0 repeated\\.$`),
      );
      await panelOf(chat.page).getByText(`${happened} after`).waitFor();
      expect(await faults()).toEqual([false, false, false]);
      await story.waitFor({ timeout: PATIENCE_MS });
      const [, after, silence] = /after (\d+) records; back in ([\d.]+) s/.exec(
        await story.innerText(),
      )!;
      expect(Number(silence)).toBeGreaterThan(seconds * 0.9);
      await expectWhole(chat.page);
      expect(await count(chat.page, 'Records')).toBeGreaterThan(Number(after) + 20);
      expect(await count(chat.page, 'Reconnects')).toBe(reconnects);
    },
    PATIENCE_MS * 2,
  );

  it(
    'opens a second tab that streams the same answer',
    async () => {
      await askAndRead();
      const [second] = await Promise.all([
        context.waitForEvent('page'),
        chat.button('Open a second tab').click(),
      ]);
      await panelOf(second).getByText('Try to break it').click();
      await second.getByText('npm run bench').first().waitFor({ timeout: PATIENCE_MS });
      for (const page of [chat.page, second]) {
        expect(await page.getByRole('button', { name: 'Stop', exact: true }).isVisible()).toBe(
          true,
        );
      }
      await Promise.all([expectWhole(chat.page), expectWhole(second)]);
    },
    PATIENCE_MS * 2,
  );

  it(
    'can be used only while there is something to break, with a hint until then',
    async () => {
      await panelOf(chat.page).getByText('Ask something, and press one of these').waitFor();
      expect(await faults()).toEqual([false, false, false]);
      await chat.ask('who are you?');
      await chat.sees('I am not a language model');
      await chat.button('Stop').waitFor();
      expect(await faults()).toEqual([true, true, true]);
      await panelOf(chat.page).getByText('Text proved').waitFor({ timeout: PATIENCE_MS });
      expect(await faults()).toEqual([false, false, false]);
    },
    PATIENCE_MS,
  );

  it('has nothing that axe finds serious', async () => {
    await chat.page.evaluate(axe.source);
    const { violations } = await chat.page.evaluate(() =>
      (globalThis as unknown as { axe: typeof axe }).axe.run('.break-it'),
    );
    const serious = violations.filter(
      ({ impact }) => impact === 'serious' || impact === 'critical',
    );
    expect(serious.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
  });
});
