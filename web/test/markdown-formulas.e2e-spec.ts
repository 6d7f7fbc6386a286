import type { Browser, Page } from 'playwright-core';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { openMarkdownPage, serveMarkdownPage } from './support/markdown-page.js';

describeInBrowser('formulas in an answer', () => {
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

  /** The text of what is drawn, before and after the end; each formula as `«its text»`. */
  function read(text: string, isCharByChar = true): Promise<[string, string]> {
    return page.evaluate(
      async ([text, isCharByChar]) => {
        const answer = window.startAnswer();
        const shown = (): string => {
          const copy = answer.content.cloneNode(true) as Element;
          for (const math of copy.querySelectorAll('math'))
            math.replaceWith(`«${math.textContent}»`);
          return copy.textContent.trim();
        };
        for (const piece of isCharByChar ? text : [text]) await answer.write(piece);
        const deadline = performance.now() + 10_000;
        const isWaiting = (): boolean =>
          [...answer.content.querySelectorAll('.formula')].some((one) => !one.firstElementChild);
        // Only the first one waits for the renderer.
        while (isWaiting() && performance.now() < deadline && answer.content.isConnected) {
          await new Promise((resolve) => setTimeout(resolve, 20));
          if (document.querySelector('math') !== null) break;
        }
        // The parser keeps the last character back.
        await answer.write('\u200b');
        const streamed = shown().replaceAll('\u200b', '');
        await answer.finish();
        return [streamed, shown().replaceAll('\u200b', '')] as [string, string];
      },
      [text, isCharByChar] as const,
    );
  }

  it.each([
    ['in parentheses', 'so \\(a\\,b_1\\) holds', 'so «ab1» holds'],
    ['in dollars', 'so $x^2$, and', 'so «x2», and'],
    ['in brackets', 'Then:\n\\[\na_1\n+ b_2\n\\]\nand', 'Then:«a1+b2»and'],
    ['in two dollars', '$$\\frac{a}{b}$$\n\nand', '«ab»and'],
    ['in a table, a list and bold', '- **$x_1$** and `$y$`', '«x1» and $y$'],
    ['with what Markdown would take for emphasis', '\\(a_1 * b_2 * c\\) *d* e', '«a1∗b2∗c» d e'],
  ])('draws one %s', async (_name, text, shown) => {
    const [streamed, finished] = await read(text);
    const bare = (drawn: string): string =>
      drawn.replace(/\u00a0|\n/g, (c) => (c === '\n' ? '' : ' '));
    expect(bare(streamed)).toBe(shown);
    expect(bare(finished)).toBe(shown);
  });

  it.each([
    'from $5 to $10, or US$3 and $4',
    'between $5 for one and 10$ for two',
    '$PATH and $HOME/$USER',
    'a $ b $ c',
    'not TeX: $\\frac{$ and \\(\\nonesuch{\\)',
  ])('leaves %s as it is written', async (text) => {
    const [streamed] = await read(text);
    expect(streamed).toBe(text);
    expect(await page.locator('math').count()).toBe(0);
  });

  it('takes an escaped index for none', async () => {
    expect((await read('an index, list\\[0\\]'))[1]).toBe('an index, list[0]');
  });

  it('draws one that is closed, and shows the source of one that is not, while it arrives', async () => {
    const shown = await page.evaluate(async () => {
      const answer = window.startAnswer();
      await answer.write('First $a$, then \\(b_1 + c');
      while (document.querySelector('math') === null) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      const open = answer.content.textContent;
      await answer.write('_1\\) and');
      return { open, formulas: answer.content.querySelectorAll('math').length };
    });
    expect(shown).toEqual({ open: 'First a, then \\(b_1 + c', formulas: 2 });
  });

  it('replaces nothing at the end that is drawn already', async () => {
    const isSame = await page.evaluate(async () => {
      const answer = window.startAnswer();
      await answer.write('so $x^2$ holds\n\n$$y$$\n\nand [a]\n\n[a]: b\n');
      while (document.querySelectorAll('math').length < 2) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      const before = document.querySelector('math');
      await answer.finish();
      return before === document.querySelector('math');
    });
    expect(isSame).toBe(true);
  });

  it.each([
    '\\href{javascript:alert(1)}{x}',
    '\\url{https://evil.example/}',
    '\\includegraphics{https://evil.example/a.png}',
    '\\htmlId{app}{x}',
    '\\class{visually-hidden}{x}',
    '\\def\\a{\\a\\a}\\a',
    '\\rule{9999em}{9999em}',
    'x \\tag{1}\\label{app}',
    '{'.repeat(2_000),
  ])('lets %s do nothing', async (tex) => {
    await page.evaluate(async (tex) => {
      const answer = window.startAnswer();
      await answer.write(`$$y$$ and $$${tex}$$ done`);
      await answer.finish();
    }, tex);
    await page.locator('math').first().waitFor();
    const drawn = page.locator('.markdown > div');
    expect(await drawn.locator('[id], [href], img, svg, a').count()).toBe(0);
    expect((await drawn.boundingBox())!.height).toBeLessThan(800);
  });

  it('shows the source where what draws formulas does not come', async () => {
    await open();
    await page.route('**/formula-renderer*', (route) => route.abort());
    const text = 'so \\(a\\,b\\) and $$c_1$$ hold';
    const finished = await page.evaluate(async (text) => {
      const answer = window.startAnswer();
      await answer.write(text);
      await answer.finish();
      return answer.content.textContent;
    }, text);
    expect(finished).toBe(text);
  });
});
