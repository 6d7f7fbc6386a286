// Makes docs/images: the demo as a visitor sees it, at 1280 and 390 px, light and dark.
//   npm run build && npm run screenshots
import { chromium } from 'playwright-core';
import { startDemo } from '../dist/demo/start.js';

const FOLDER = new URL('../docs/images/', import.meta.url);
const SCREENS = [
  { screen: 'desktop', viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1 },
  { screen: 'phone', viewport: { width: 390, height: 780 }, deviceScaleFactor: 2 },
];

const QUESTION = /^What happens when my phone locks/;

/** What to show of each view. */
const VIEWS = {
  async chat(page, url) {
    await page.goto(url);
    await page.getByText('Try to break it').click();
    await page.getByRole('button', { name: QUESTION }).click();
    await page.getByText(/tokens\/s/).waitFor();
    // The beginning of an answer shows more than its end.
    await page.locator('.viewport').evaluate((viewport) => (viewport.scrollTop = 0));
  },
  async 'break-it'(page, url) {
    await page.goto(url);
    await page.getByRole('button', { name: QUESTION }).click();
    await page.locator('.answer').getByText(/\w/).first().waitFor();
    await page.getByRole('button', { name: 'Cut this connection' }).click();
    await page.getByText(/tokens\/s/).waitFor();
  },
  async doctor(page, url) {
    await page.goto(`${url}/doctor`);
    await page.getByRole('button', { name: 'Copy report' }).waitFor();
  },
};

const demo = await startDemo({ PORT: '0', SOCKET_PORT: '0' });
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
});
for (const { screen, ...size } of SCREENS) {
  for (const colorScheme of ['light', 'dark']) {
    for (const [view, show] of Object.entries(VIEWS)) {
      const context = await browser.newContext({ ...size, colorScheme, reducedMotion: 'reduce' });
      const page = await context.newPage();
      await show(page, demo.url);
      const path = new URL(`${view}-${screen}-${colorScheme}.png`, FOLDER).pathname;
      await page.screenshot({ path });
      console.log(path);
      await context.close();
    }
  }
}
await browser.close();
await demo.close();
process.exit();
