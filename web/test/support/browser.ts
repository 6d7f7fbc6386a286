import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';

/** Debian's browsers. The shell draws no window, which takes half the time. */
const EXECUTABLES = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'];
const executablePath = EXECUTABLES.find(existsSync);

/** `describe` where there is a browser; else it says so and skips. */
export const describeInBrowser: jest.Describe = executablePath
  ? describe
  : (process.stderr.write('No chromium: the tests of the page are skipped.\n'), describe.skip);

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
