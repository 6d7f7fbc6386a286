import type * as Playwright from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { describeIf, programInPath } from '../../../test/support/needs.js';

/** Debian's browsers. The shell draws no window, which takes half the time. */
const executablePath = programInPath('chromium-headless-shell', 'chromium');

/** `describe` where there is a browser; else it says so and skips. */
export const describeInBrowser = describeIf(
  executablePath !== undefined,
  'the page is not tested, as PATH has no chromium-headless-shell or chromium (apt-get install)',
);

/** What drives it takes long to load. */
export const playwright = (): Promise<typeof Playwright> =>
  importOnce('node_modules/playwright-core/index.mjs');

/** Debian's chromium, without a window. Close it. */
export async function launchBrowser(): Promise<Browser> {
  const { chromium } = await playwright();
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-dev-shm-usage',
      '--disable-gpu',
      '--disable-background-networking',
      // Each page starts as many processes as it needs, and none for drawing, which software does here.
      '--disable-site-isolation-trials',
      '--in-process-gpu',
    ],
  });
}

/** Fills with what the page does that its policy forbids, and with errors that nobody caught. */
export function offencesOf(page: Page): string[] {
  const offences: string[] = [];
  page.on('pageerror', ({ message }) => offences.push(message));
  page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) offences.push(message.text());
  });
  return offences;
}
