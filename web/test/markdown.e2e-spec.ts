import axe from 'axe-core';
import * as fc from 'fast-check';
import type { Browser, Page } from 'playwright-core';
import { until } from '../../test/support/until.js';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { openMarkdownPage, plain, serveMarkdownPage } from './support/markdown-page.js';

/** One of everything. */
const SAMPLE = `# Title

A *paragraph* with **bold**, \`code\`, ~~gone~~ and a [link](https://example.com/a_(b)).
A second line, see list[0], $PATH and \\(x\\) and $a_1$.

1. one
   - nested
     - deeper
2. two

- [x] done
- [ ] open

> A quotation
> of two lines.

| Name | Size |
|:-----|-----:|
| a | 1 |
| b<br>c | 22 |

\`\`\`js
const a = '<b>';

// end
\`\`\`

    indented

---

![An image](https://example.com/i.png) and <b>a tag</b> and https://example.com/bare. 👋`;

/** What means something to a Markdown parser, and some that does not. */
const SYNTAX =
  '# * - 1. > | |---| ** _ __ ~~ ` ``` ```js [ ] ]( ) ![ ](https://c. $ $$ \\( \\[ \\ < <br> <b> &amp; --- [x] http://d';
const PIECES = [...SYNTAX.split(' '), 'a', 'é', '👩‍💻', '\ud83d', '\u0000'].concat(
  [' ', '  ', '\t', '\n', '\n', '\n\n', '\r\n'],
  ['# ', '- ', '1. ', '> ', '\n    ', '```js\n'],
);

describeInBrowser('Markdown in an answer', () => {
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

  async function open(): Promise<void> {
    ({ page, misdeeds } = await openMarkdownPage(browser!, served!.url));
  }

  it.each([
    ['a heading', '## Two\n\nx', '<h2>Two</h2>'],
    [
      'emphasis',
      '*a* **b** ~~c~~ `d` e',
      '<em>a</em> <strong>b</strong> <del>c</del> <code>d</code>',
    ],
    ['line breaks', 'a\nb<br>c\nd', 'a<br>b<br>c'],
    ['a nested list', '- a\n  1. b\n- c\n', '<ul><li>a<ol><li>b</li></ol></li><li>c</li></ul>'],
    ['a list that begins with 4', '4. a\n5. b', '<ol start="4"><li>a</li>'],
    ['tasks', '- [x] a\n- [ ] b\n', '<li><span>☑</span> a</li><li><span>☐</span> b</li>'],
    ['a quotation', '> a *b*\n\n', '<blockquote><p>a <em>b</em></p></blockquote>'],
    ['a table', '| a |\n|---|\n| b |\n', '<th> a </th></tr></thead><tbody><tr><td> b </td>'],
    ['code without an end', '```js\nlet a;\nlet b', '<code class="language-js">let a;\nlet '],
    ['a link', '[a](https://b.example/ "c") d', '<a href="https://b.example/" rel='],
    ['an address', 'see https://a.example/b c', '<a href="https://a.example/b" rel='],
    ['an image, as text and link', '![a](https://b.example/c.png) d', 'a (<a href="https://b.ex'],
    ['a tag, as text', '<b>a</b> c', '&lt;b&gt;a&lt;/b&gt;'],
    ['brackets that are no link', 'a[0] and [b] c', 'a[0] and [b]'],
    ['dollars that are no formula', '$HOME\n\n# a $ x $ b', '<p>$HOME</p><h1>a $ x $'],
  ])('draws %s while it arrives', async (_name, text, html) => {
    const drawn = await page.evaluate(async (text) => {
      const answer = window.startAnswer();
      for (const character of text) await answer.write(character);
      return answer.content.innerHTML;
    }, text);
    expect(plain(drawn)).toContain(html);
  });

  it.each([
    [
      'a reference',
      '[a][b]\n\n[b]: https://c.example/ "d"',
      '<p><a href="https://c.example/" rel=',
    ],
    ['an underlined heading', 'a\n===', '<h1>a</h1>'],
    ['alignment', '|a|b|\n|:-:|-:|\n|c|d|', '<td align="center">c</td>\n<td align="right">d</td>'],
    ['a line break tag', 'a<br>b<br/>c', '<p>a<br>b<br>c</p>'],
    [
      'a tag, as text',
      '<details>a</details>\n\n<b>b</b>',
      '<p>&lt;details&gt;a&lt;/details&gt;</p>',
    ],
    ['colours', '```js\nlet a;\n```', '<span class="hljs-keyword">let</span> a;</code>'],
    [
      'an unknown language without',
      '```nonesuch\nlet a;\n```',
      '"language-nonesuch">let a;</code>',
    ],
    [
      'an image in a link',
      '[![a](https://b.example/)](https://c.example/)',
      'c.example/" rel="noopener noreferrer" target="_blank">a (https://b.example/)</a>',
    ],
    ['an image without a name', '![](https://b.example/)', '>https://b.example/</a></p>'],
    ['what stops within', 'a **b and [c](https://d', '<p>a **b and [c](<a href="https://d/"'],
  ])('finishes %s', async (_name, text, html) => {
    expect(plain((await render([text])).finished)).toContain(html);
  });

  it('draws the same, whatever the chunks', async () => {
    await loadFormulas();
    const whole = await render([SAMPLE]);
    expect(whole.streamed).toContain('</table>');
    expect(whole.finished).toContain('hljs-keyword');
    for (const size of [1, 2, 3, 7]) {
      const chunks = SAMPLE.match(new RegExp(`[^]{1,${size}}`, 'g'))!;
      expect(await render(chunks)).toEqual(whole);
    }
  });

  it('draws the same for any text in any chunks, and never throws', async () => {
    const pieces = fc.constantFrom(...PIECES);
    await loadFormulas();
    const chunks = fc.array(fc.array(pieces, { maxLength: 6 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(chunks, fc.array(fc.nat()), async (groups, cuts) => {
        const text = groups.flat().join('');
        const places = cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b);
        const parts = [0, ...places].map((from, index) => text.slice(from, places[index]));
        expect(await render(parts)).toEqual(await render([text]));
        expect(misdeeds).toEqual([]);
      }),
      { numRuns: 100 },
    );
  }, 180_000);

  it('begins anew when the text is another one, also after its end', async () => {
    const drawn = await page.evaluate(async () => {
      const answer = window.startAnswer();
      await answer.write('# First\n\ntext');
      await answer.replace('**Second** ');
      const second = answer.content.innerHTML;
      await answer.finish();
      await answer.replace('**Second** and *more* ');
      return [second, answer.content.innerHTML];
    });
    expect(drawn.map(plain)).toEqual([
      '<p><strong>Second</strong></p>',
      '<p><strong>Second</strong> and <em>more</em></p>',
    ]);
  });

  it('leaves what does not change at the end: selection, focus, scrolled code', async () => {
    const left = await page.evaluate(async () => {
      const answer = window.startAnswer();
      await answer.write(`a **b** c\n\n\`\`\`js\nlet ${'long'.repeat(200)};\n\`\`\`\n\n[d]: e\n`);
      const { content } = answer;
      getSelection()!.selectAllChildren(content.querySelector('strong')!);
      content.querySelector('button')!.focus();
      content.querySelector('pre')!.scrollLeft = 100;
      await answer.finish();
      return {
        selected: getSelection()!.toString(),
        focused: document.activeElement?.textContent,
        scrolled: content.querySelector('pre')!.scrollLeft,
        coloured: content.querySelector('.hljs-keyword')?.textContent,
      };
    });
    expect(left).toEqual({ selected: 'b', focused: 'Copy', scrolled: 100, coloured: 'let' });
  });

  it('bounds the depth of nesting, and keeps the streamed answer where the parser gives up', async () => {
    const quoted = `${'> '.repeat(20_000)}text`;
    const result = await page.evaluate(async (quoted) => {
      const answer = window.startAnswer();
      await answer.write(quoted);
      await answer.finish();
      const { content } = answer;
      const depth = content.querySelectorAll('blockquote').length;
      const text = content.textContent;
      const next = window.startAnswer();
      await next.write('[a]: b\n\nc');
      await next.finish();
      return { depth, text, next: next.content.innerHTML };
    }, quoted);
    expect(result.depth).toBeLessThan(50);
    expect(result.depth).toBeGreaterThan(10);
    expect(result.text).toBe('text');
    expect(plain(result.next)).toBe('<p>c</p>');
  });

  it('gives up on a text that takes the parser too long, and goes on with the next', async () => {
    await page.clock.install();
    const warning = page.waitForEvent('console');
    const endless = page.evaluate(async () => {
      const answer = window.startAnswer();
      await answer.write('**a'.repeat(200_000));
      await answer.finish();
      return answer.content.textContent.length;
    });
    const time = setInterval(() => void page.clock.runFor(1_000), 200);
    try {
      expect((await warning).text()).toContain('no HTML after 10000 ms');
    } finally {
      clearInterval(time);
    }
    expect(await endless).toBeGreaterThanOrEqual(200_000);
    await page.clock.resume();
    expect(plain((await render(['[a]: b\n\nc'])).finished)).toBe('<p>c</p>');
    // Its clock stays one of a test.
    await page.context().close();
    await open();
  });

  it.each([
    ['with the clipboard of a secure page', true],
    ['on plain HTTP, where there is none', false],
  ])('copies exactly the code, %s', async (_name, isSecure) => {
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    const code = `  if (a < b) {\n\n\treturn "&amp; é👩‍💻";\n  }`;
    await show(`Text\n\n\`\`\`js\n${code}\n\`\`\`\n\n\`\`\`\nother\n\`\`\`\n`);
    // What is read back with it is put there without it.
    const clipboard = await page.evaluateHandle(() => navigator.clipboard);
    if (!isSecure) {
      await page.evaluate(() =>
        Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true }),
      );
    }
    await page.getByRole('button', { name: 'Copy code' }).first().focus();
    await page.keyboard.press('Enter');
    await page.getByRole('status').getByText('Copied').waitFor({ state: 'attached' });
    expect(await clipboard.evaluate((clipboard) => clipboard.readText())).toBe(code);
    const focused = page.locator(':focus');
    expect(await focused.getAttribute('aria-label')).toBe('Copy code');
    expect(await focused.textContent()).toBe('Copied');
    await page.getByText('Copied').first().waitFor({ state: 'detached' });
    await page.evaluate(() => Reflect.deleteProperty(navigator, 'clipboard'));
  });

  it.each(['light', 'dark'] as const)('is accessible in %s', async (colorScheme) => {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width: 390, height: 800 });
    const languages = [
      'ts',
      'python',
      'css',
      'html',
      'diff',
      'bash',
      'json',
      'sql',
      'yaml',
      'java',
    ];
    const code = `@a\nclass A extends B { f(x: number) { return \`\${x}\` + /re/; } } // c\n- "k": null\n+ <a b="c">&amp;</a>\n.d > #e:hover { color: #fff; width: 1px }\nSELECT 1 FROM t;`;
    const blocks = languages.map((language) => `\`\`\`${language}\n${code}\n\`\`\`\n`);
    await show(`${SAMPLE}\n${blocks.join('\n')}`);
    // The policy lets no inline script in, and axe is one for the time of this test.
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() => globalThis.axe.run('.markdown'));
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([]);
  });

  it('scrolls wide tables and code in their own boxes, with the keyboard too', async () => {
    await page.setViewportSize({ width: 390, height: 800 });
    const row = `|${' word word |'.repeat(12)}\n`;
    await show(
      `${row}${row.replace(/[^|\n]+/g, '---')}${row}\n\`\`\`\n${'long '.repeat(50)}\n\`\`\`\n`,
    );
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow).toBe(0);
    for (const box of [page.getByRole('region', { name: 'Table' }), page.locator('pre')]) {
      // Not every browser lets the keyboard reach what scrolls by itself.
      expect(await box.getAttribute('tabindex')).toBe('0');
      await box.focus();
      await page.keyboard.press('ArrowRight');
      await until(() => box.evaluate((element) => element.scrollLeft > 0));
    }
  });

  /** What is drawn, before and after the end, and in how many pieces its text stands before it. */
  function render(
    chunks: string[],
  ): Promise<{ streamed: string; texts: number; finished: string }> {
    return page.evaluate(async (chunks) => {
      const answer = window.startAnswer();
      for (const chunk of chunks) await answer.write(chunk);
      const drawn = answer.content.cloneNode(true) as Element;
      // Colours come when they come.
      for (const code of drawn.querySelectorAll('.code-block code')) {
        code.replaceChildren(code.textContent);
      }
      const streamed = drawn.innerHTML;
      const walker = document.createTreeWalker(drawn, NodeFilter.SHOW_TEXT);
      let texts = 0;
      while (walker.nextNode() !== null) texts += 1;
      await answer.finish();
      return { streamed, texts, finished: answer.content.innerHTML };
    }, chunks);
  }

  /** So that every formula is drawn as soon as it is there. */
  async function loadFormulas(): Promise<void> {
    await show('$x$');
    await page.locator('math').waitFor();
  }

  function show(text: string): Promise<unknown> {
    return render([text]);
  }
});

declare global {
  var axe: typeof import('axe-core');
}
