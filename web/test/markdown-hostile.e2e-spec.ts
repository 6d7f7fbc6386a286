import type { Browser } from 'playwright-core';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { openMarkdownPage, serveMarkdownPage } from './support/markdown-page.js';
import { foreignParts, xssCorpus } from './support/xss-corpus.js';

describeInBrowser('Hostile Markdown, in two chunks for each place to cut it', () => {
  let served: Awaited<ReturnType<typeof serveMarkdownPage>> | undefined;
  let browser: Browser | undefined;
  beforeAll(async () => {
    served = await serveMarkdownPage();
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await served?.close();
  });

  async function open(bypassCSP: boolean): ReturnType<typeof openMarkdownPage> {
    const opened = await openMarkdownPage(browser!, served!.url, { bypassCSP });
    await opened.page.exposeFunction('pwn', () => opened.misdeeds.push('a script ran'));
    await opened.page.evaluate(`window.foreignParts = ${foreignParts.toString()}`);
    return opened;
  }

  async function showAll(bypassCSP: boolean): Promise<{ found: string[]; violations: string[] }> {
    const { page, misdeeds } = await open(bypassCSP);
    const found: string[] = [];
    for (const payload of xssCorpus) {
      const foreign = await page.evaluate(showAtEachCut, payload);
      found.push(...[...foreign, ...misdeeds.splice(0)].map((what) => `${payload} → ${what}`));
    }
    // What is loaded or run late.
    await page.waitForTimeout(500);
    found.push(...misdeeds);
    const violations = await page.evaluate(() => window.violations);
    await page.context().close();
    return { found, violations };
  }

  it('is something these tests would see', async () => {
    const { page, misdeeds } = await open(true);
    const foreign = await page.evaluate(() => {
      const { content } = window.startAnswer();
      content.innerHTML = `<img src="https://evil.example/i.png"><img src=x onerror=pwn()>
        <a href="javascript:pwn()">a</a><p class=code-copy id=x>a</p><svg><a>a</a></svg>`;
      return window.foreignParts(content).length;
    });
    expect(foreign).toBeGreaterThanOrEqual(9);
    while (!misdeeds.includes('a script ran')) await page.waitForTimeout(50);
    expect(misdeeds).toContain('request: https://evil.example/i.png');
    await page.context().close();
  });

  it('leaves only what an answer may contain, and the policy has nothing to stop', async () => {
    expect(await showAll(false)).toEqual({ found: [], violations: [] });
  }, 300_000);

  it('runs nothing and asks nobody where the browser has no policy, either', async () => {
    expect((await showAll(true)).found).toEqual([]);
  }, 300_000);
});

declare global {
  interface Window {
    foreignParts: typeof foreignParts;
  }
}

/**
 * Runs in the page: what is foreign in a payload's drawing, streamed for each cut, and finished, which
 * is drawn anew from the whole.
 */
async function showAtEachCut(payload: string): Promise<string[]> {
  const foreign = new Set<string>();
  for (let cut = 0; cut <= payload.length; cut++) {
    const answer = window.startAnswer();
    await answer.write(payload.slice(0, cut));
    for (const part of window.foreignParts(answer.content)) foreign.add(`at ${cut}: ${part}`);
    await answer.write(payload.slice(cut));
    for (const part of window.foreignParts(answer.content)) foreign.add(`streamed: ${part}`);
    if (cut < payload.length) continue;
    await answer.finish();
    for (const part of window.foreignParts(answer.content)) foreign.add(`finished: ${part}`);
  }
  return [...foreign];
}
