import { brotliCompressSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import { Stage } from '../../test/support/stage.js';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { Chat } from './support/chat.js';

/** Most JavaScript, compressed, before a formula or code needs more. */
const MAX_BYTES = 110_000;
/** A bad mobile network: 400 kbit/s, and 150 ms there and back. */
const SLOW = { offline: false, downloadThroughput: 50_000, uploadThroughput: 50_000, latency: 150 };
const FIRST_PAINT_MS = 2_000;
const TRIES = 5;

describeInBrowser('what the chat page weighs', () => {
  let browser: Browser;
  let stage: Stage;

  beforeAll(async () => {
    browser = await launchBrowser();
    stage = await Stage.open();
  });
  afterAll(async () => {
    await browser?.close();
    await stage?.close();
  });

  it(`is at most ${MAX_BYTES} bytes of JavaScript until a formula or code needs more`, async () => {
    const context = await browser.newContext();
    const sizes = new Map<string, Promise<number>>();
    context.on('response', (response) => {
      const name = new URL(response.url()).pathname.split('/').at(-1)!;
      if (!name.endsWith('.js')) return;
      // The service worker asks for some of them once more.
      sizes.set(
        name,
        sizes.get(name) ?? response.body().then((body) => brotliCompressSync(body).length),
      );
    });
    const chat = await Chat.open(context, stage.app.url);
    await chat.ask('Hello?');
    (await stage.upstream.nextCall()).text('Hello, *you*.').done();
    await chat.answered();
    await chat.page.locator('em').waitFor();
    // What it would load unasked, it begins within a second.
    await chat.page.waitForTimeout(1_000);
    const bytes = (await Promise.all(sizes.values())).reduce((sum, size) => sum + size, 0);
    await context.close();
    const names = [...sizes.keys()];
    expect(names.filter((name) => /^(?:formula|colour|Doctor|popover)/.test(name))).toEqual([]);
    expect(names.filter((name) => /^(?:index|net|markdown)/.test(name))).toHaveLength(3);
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
    expect(bytes).toBeGreaterThan(MAX_BYTES / 2);
  });

  it('shows something within 2 s at 400 kbit/s', async () => {
    const paintedAfter = async (): Promise<number> => {
      const page = await browser.newPage();
      const cdp = await page.context().newCDPSession(page);
      await cdp.send('Network.enable');
      await cdp.send('Network.emulateNetworkConditions', SLOW);
      await page.goto(stage.app.url);
      await page.getByLabel('Your question').waitFor();
      const painted = await page.evaluate(
        () => performance.getEntriesByName('first-contentful-paint')[0]!.startTime,
      );
      await page.context().close();
      return painted;
    };
    // The best of several: what a busy machine adds is not the page's.
    const tries = [await paintedAfter()];
    while (Math.min(...tries) >= FIRST_PAINT_MS && tries.length < TRIES) {
      tries.push(await paintedAfter());
    }
    expect(Math.min(...tries)).toBeLessThan(FIRST_PAINT_MS);
  });
});
