import type { Browser, Page } from 'playwright-core';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { openMarkdownPage, serveMarkdownPage } from './support/markdown-page.js';

describeInBrowser('an answer in other scripts, and while it grows', () => {
  let served: Awaited<ReturnType<typeof serveMarkdownPage>> | undefined;
  let browser: Browser | undefined;
  let page: Page;
  let misdeeds: string[];

  beforeAll(async () => {
    served = await serveMarkdownPage();
    browser = await launchBrowser();
    await open();
  });
  afterEach(async () => {
    expect(misdeeds.splice(0)).toEqual([]);
    expect(await page.evaluate(() => window.violations.splice(0))).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    await served?.close();
  });

  /** From now on, in a page that has loaded nothing yet. */
  async function open(): Promise<void> {
    await page?.context().close();
    ({ page, misdeeds } = await openMarkdownPage(browser!, served!.url));
  }

  it('runs from right to left where its block begins so, and code does not', async () => {
    const text =
      '# עברית\n\nمرحبا `a < b` $x$\n\n- واحد\n- اثنان\n\nEnglish\n\n```js\n// שלום\n```\n\n> ציטוט\n\n| עמודה |\n|---|\n| تا |\n\nא';
    const drawn = await page.evaluate(async (text) => {
      const answer = window.startAnswer();
      for (const character of text) await answer.write(character);
      const look = (): string[] =>
        [...answer.content.children].map(
          (block) => `${block.localName} ${getComputedStyle(block).direction}`,
        );
      const streamed = look();
      await answer.finish();
      const code = getComputedStyle(answer.content.querySelector('p code')!).direction;
      const list = answer.content.querySelector('ul')!;
      const { paddingRight, paddingLeft } = getComputedStyle(list);
      return { streamed, finished: look(), code, list: [paddingRight !== '0px', paddingLeft] };
    }, text);
    const blocks = ['h1 rtl', 'p rtl', 'ul rtl', 'p ltr', 'div ltr', 'blockquote rtl', 'div rtl'];
    expect(drawn.streamed.slice(0, 7)).toEqual(blocks);
    expect(drawn.finished).toEqual([...blocks, 'p rtl']);
    expect(drawn.code).toBe('ltr');
    expect(drawn.list).toEqual([true, '0px']);
  });

  it.each([
    ['这是**“重点”**的', '“重点”'],
    ['他说**你好。**然后', '你好。'],
    ['**重点：**text', '重点：'],
    ['**한국어(韓國語)**는', '한국어(韓國語)'],
    ['見**《書》**。', '《書》'],
    ['これは**「太字」**です', '「太字」'],
  ])('draws the bold text of %s beside its punctuation', async (text, bold) => {
    const drawn = await page.evaluate(async (text) => {
      const answer = window.startAnswer();
      await answer.write(`${text} `);
      const streamed = answer.content.querySelector('strong')?.textContent;
      await answer.finish();
      const { content } = answer;
      return [streamed, content.querySelector('strong')?.textContent, content.textContent.trim()];
    }, text);
    expect(drawn).toEqual([bold, bold, text.replaceAll('**', '')]);
  });

  it('colours a code block when it closes, before the answer is complete', async () => {
    await page.evaluate(async () => {
      const answer = window.startAnswer();
      await answer.write('```js\nlet a;\n```\n\nAnd then ```\n');
    });
    await page.locator('.hljs-keyword').getByText('let').waitFor();
    expect(await page.locator('code').first().textContent()).toBe('let a;');
  });

  it('loads what colours code only when there is code', async () => {
    await open();
    const loaded: string[] = [];
    page.on('request', (request) => loaded.push(request.url()));
    await page.evaluate(async () => {
      const answer = window.startAnswer();
      await answer.write('Just *text*.');
      await answer.finish();
    });
    expect(loaded.filter((url) => /colour|formula/.test(url))).toEqual([]);
  });

  it('keeps the columns of a table where they are, from its first row to its end', async () => {
    const places = await page.evaluate(async () => {
      const answer = window.startAnswer();
      const look = (): number[] =>
        [...answer.content.querySelectorAll('th')].map((cell) =>
          Math.round(cell.getBoundingClientRect().left),
        );
      await answer.write('| No | What it is |\n|---|---|\n| 1 | a short one |\n');
      const seen = [look()];
      await answer.write('| a longer first cell | and a much longer second cell, really |\n');
      seen.push(look());
      await answer.write(`| 3 | ${'word '.repeat(60)} |\n\nAnd [a]\n\n[a]: b`);
      seen.push(look());
      await answer.finish();
      seen.push(look());
      return seen;
    });
    expect(places[0]).toHaveLength(2);
    expect(new Set(places.map(String)).size).toBe(1);
  });
});
