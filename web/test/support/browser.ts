import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const EXECUTABLE = '/usr/bin/chromium';

/** `describe` where there is a browser; else it says so and skips. */
export const describeInBrowser: jest.Describe = existsSync(EXECUTABLE)
  ? describe
  : (process.stderr.write(`No ${EXECUTABLE}: the tests of the page are skipped.\n`), describe.skip);

/** Debian's chromium, without a window. Close it. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: EXECUTABLE,
    args: [
      '--no-sandbox',
      '--disable-dev-shm-usage',
      '--disable-gpu',
      '--disable-background-networking',
    ],
  });
}
