import type { Browser } from 'playwright-core';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../../test/support/app.js';
import { ScriptedUpstream } from '../../test/support/scripted-upstream.js';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { Chat } from './support/chat.js';
import { foreignParts, xssCorpus } from './support/xss-corpus.js';

const TOKENS = 5_000;
const TOKENS_PER_SECOND = 200;
/**
 * By the clock and in processor time: a busy machine stretches the one, and now and then the other.
 * The longest task takes 10 to 20 ms on one that is not.
 */
const LONGEST_TASK_MS = 100;

const SECTION = `## Reading a stream

A stream gives its data **piece by piece**, so that memory stays small; see the
[documentation](https://nodejs.org/api/stream.html) for \`for await\`.

1. Handle errors:
   - of the file,
   - of the network.
2. Close what you open.

\`\`\`ts
export async function count(path: string, word: string): Promise<number> {
  let found = 0; // so far
  for await (const line of lines(path)) if (line.includes(word)) found += 1;
  return found;
}
\`\`\`

| Kind | Class | When |
|------|-------|------|
| Readable | \`fs.ReadStream\` | files and sockets |

`;

describeInBrowser('Markdown on the chat page', () => {
  let browser: Browser | undefined;
  let upstream: ScriptedUpstream | undefined;
  let app: RunningServer | undefined;
  let chat: Chat;

  beforeAll(async () => {
    browser = await launchBrowser();
  });
  beforeEach(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url });
    chat = await Chat.open(browser!, app.url);
  });
  afterEach(async () => {
    await chat?.page.context().close();
    await app?.close();
    await upstream?.close();
  });
  afterAll(() => browser?.close());

  const content = () => chat.answers.last().locator('.markdown > div');
  const finished = () => chat.page.locator('.markdown > div[aria-busy="false"]').waitFor();

  it('draws an answer while it arrives, and colours its code at the end', async () => {
    await chat.ask('How?');
    const call = await upstream!.nextCall();
    for (const piece of ['## Tit', 'le\n\nSome **bo', 'ld** text\n\n```js\nconst a', ' = 1;\n']) {
      call.text(piece);
    }
    await content().getByText('const a = 1;').waitFor();
    expect(await content().locator('h2').innerText()).toBe('Title');
    expect(await content().locator('strong').innerText()).toBe('bold');
    expect(await content().locator('.hljs-keyword').count()).toBe(0);
    call.text('```\n').done();
    await finished();
    expect(await content().locator('.hljs-keyword').innerText()).toBe('const');
    await chat.page.reload();
    await finished();
    expect(await content().locator('.hljs-keyword').innerText()).toBe('const');
    expect(chat.offences).toEqual([]);
  });

  it('shows nothing but text and links of a hostile answer, and asks nobody', async () => {
    const foreignRequests: string[] = [];
    chat.page.on('request', (request) => {
      if (new URL(request.url()).hostname !== '127.0.0.1') foreignRequests.push(request.url());
    });
    const hasRun = new Promise<string>((resolve) => {
      void chat.page.exposeFunction('pwn', () => resolve('a script ran'));
    });
    await chat.ask('Be evil.');
    const call = await upstream!.nextCall();
    // A fence that is left open would swallow the payloads behind it.
    for (const payload of xssCorpus) {
      for (const piece of `${payload}\n\n`.match(/[^]{1,9}/g)!) call.text(piece);
    }
    call.text('The end.');
    await content().getByText('The end').waitFor();
    expect(await content().evaluate(foreignParts)).toEqual([]);
    call.done();
    await finished();
    expect(await content().evaluate(foreignParts)).toEqual([]);
    const quiet = new Promise((resolve) => setTimeout(resolve, 500, 'nothing ran'));
    expect(await Promise.race([hasRun, quiet])).toBe('nothing ran');
    expect(foreignRequests).toEqual([]);
    expect(chat.offences).toEqual([]);
  });

  it(`stays responsive while ${TOKENS} tokens arrive at ${TOKENS_PER_SECOND} a second`, async () => {
    const text = SECTION.repeat(50);
    const length = Math.floor(text.length / TOKENS);
    const tokens = text.match(new RegExp(`[^]{1,${length}}`, 'g'))!;
    await chat.page.evaluate(() => {
      window.longTasks = [];
      new PerformanceObserver((list) => {
        window.longTasks.push(...list.getEntries().map(({ duration }) => duration));
      }).observe({ type: 'longtask' });
      setTimeout(() => {
        const end = performance.now() + 100;
        while (performance.now() < end);
      });
    });
    // It is seen at all.
    await chat.page.waitForFunction(() => window.longTasks.length > 0);
    await chat.page.evaluate(() => (window.longTasks = []));

    await chat.ask('At length, please.');
    const call = await upstream!.nextCall();
    await browser!.startTracing(chat.page, { categories: ['toplevel'] });
    const start = performance.now();
    for (const [index, token] of tokens.entries()) {
      const wait = start + (index * 1_000) / TOKENS_PER_SECOND - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      call.text(token);
    }
    await content().locator('table').nth(49).waitFor();
    const streamed = longestOf(await browser!.stopTracing());
    const duration = performance.now() - start;

    await browser!.startTracing(chat.page, { categories: ['toplevel'] });
    call.done();
    await finished();
    // What was replaced is yet to be painted.
    await chat.page.waitForTimeout(500);
    const finish = longestOf(await browser!.stopTracing());

    const longTasks = await chat.page.evaluate(() => window.longTasks);
    const longest = Math.round(Math.max(0, ...longTasks));
    process.stderr.write(
      `${tokens.length} tokens in ${Math.round(duration)} ms; longest task ${streamed} ms of processor ` +
        `time, and ${finish} ms at the end; by the clock ${longest} ms (${longTasks.length} above 50)\n`,
    );
    expect(await content().locator('.hljs-keyword').count()).toBeGreaterThan(200);
    expect(Math.min(longest, Math.max(streamed, finish))).toBeLessThan(LONGEST_TASK_MS);
  }, 120_000);
});

interface TraceEvent {
  name: string;
  pid: number;
  tid: number;
  args: { name?: string };
  /** Processor time, in µs. */
  tdur?: number;
}

/** The longest task of the page's main thread in a trace, in ms of processor time. */
function longestOf(trace: Buffer): number {
  const { traceEvents } = JSON.parse(trace.toString()) as { traceEvents: TraceEvent[] };
  const isMain = new Set(
    traceEvents
      .filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain')
      .map(({ pid, tid }) => `${pid} ${tid}`),
  );
  const tasks = traceEvents.filter(
    ({ name, pid, tid }) => name.endsWith('RunTask') && isMain.has(`${pid} ${tid}`),
  );
  expect(tasks.length).toBeGreaterThan(100);
  return Math.round(Math.max(...tasks.map(({ tdur }) => tdur ?? 0)) / 1_000);
}

declare global {
  interface Window {
    /** Durations of the tasks that took longer than 50 ms by the clock. */
    longTasks: number[];
  }
}
