import { type Browser, chromium, type Page } from 'playwright-core';
import { describeIf, programInPath } from '../../../test/support/needs.js';

/** Debian's browsers. The shell draws no window, which takes half the time. */
const executablePath = programInPath('chromium-headless-shell', 'chromium');

/** `describe` where there is a browser; else it says so and skips. */
export const describeInBrowser = describeIf(
  executablePath !== undefined,
  'the page is not tested, as PATH has no chromium-headless-shell or chromium (apt-get install)',
);

/** Debian's chromium, without a window. Close it. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-dev-shm-usage',
      '--disable-gpu',
      '--disable-background-networking',
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
