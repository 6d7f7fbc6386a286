import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import type { RunningServer } from '../../src/server.js';
import { describeInBrowser, launchBrowser } from '../../web/test/support/browser.js';
import { startApp } from '../support/app.js';
import { FaultyFront } from '../support/faulty-front.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';
import { ROOT } from '../support/tables.js';
import { until } from '../support/until.js';

const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript' };
/** Longest life of a connection in the test of cuts, in milliseconds. */
const CUTS_AFTER_MS = 150;

/** The files of a folder, at an origin of their own. */
async function serve(folder: string): Promise<Server> {
  const server = createServer((request, response) => {
    const path = request.url === '/' ? '/index.html' : (request.url ?? '');
    readFile(join(folder, path)).then(
      (file) => response.writeHead(200, { 'content-type': TYPES[extname(path)] }).end(file),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

describeInBrowser('examples/ai-sdk', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let browser: Browser;
  let folder: string;
  let front: FaultyFront;
  let pages: Server;
  let page: Page;

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, LIMIT_JOINS_PER_10S: 0 });
    front = await FaultyFront.start({ cutsAfterMs: CUTS_AFTER_MS });
    front.app = app;
    folder = await mkdtemp(join(tmpdir(), 'llm-cast-example-'));
    const vite = join(ROOT, 'node_modules/vite/bin/vite.js');
    const args = [vite, 'build', 'examples/ai-sdk', '--outDir', folder, '--logLevel', 'error'];
    const env = { PATH: process.env['PATH'], LLM_CAST_URL: front.url };
    await promisify(execFile)(process.execPath, args, { cwd: ROOT, env });
    pages = await serve(folder);
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    pages?.close();
    await front?.close();
    await app?.close();
    await upstream?.close();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(pages.address() as AddressInfo).port}/`);
  });
  afterEach(() => page.close());

  const ask = async (question: string) => {
    await page.getByLabel('Question').fill(question);
    await page.getByRole('button', { name: 'Ask' }).click();
    return upstream.nextCall();
  };
  /** The text of the newest answer; there is one for each question. */
  const answer = async (): Promise<string> => {
    const texts = await page.locator('li.assistant p').allTextContents();
    return texts.at(-1) ?? '';
  };
  const shows = (text: string): Promise<void> => until(async () => (await answer()) === text);
  const isReady = (): Promise<void> => page.getByRole('button', { name: 'Ask' }).waitFor();

  it('shows the whole answer, once, over a proxy that cuts every connection', async () => {
    const request = await ask('why?');
    let text = '';
    for (let at = 0; at < 60; at++) {
      text += `${at} `;
      request.text(`${at} `);
      await sleep(20);
    }
    request.done();
    await shows(text);
    await isReady();
    expect(await page.locator('li').count()).toBe(2);
    expect(await page.getByRole('alert').count()).toBe(0);
  });

  it('goes on after a reload, with the text that came meanwhile', async () => {
    const request = await ask('why?');
    request.text('The sky');
    await shows('The sky');
    await page.reload();
    request.text(' is');
    await shows('The sky is');
    await page.reload();
    request.text(' blue.').done();
    await shows('The sky is blue.');
    await isReady();
    expect(await page.locator('li').count()).toBe(2);
    await page.reload();
    await shows('The sky is blue.');
    expect(upstream.open).toBe(0);
  });

  it('waits for a network that is lost', async () => {
    const request = await ask('why?');
    request.text('The sky');
    await shows('The sky');
    await page.context().setOffline(true);
    await sleep(2 * CUTS_AFTER_MS);
    request.text(' is blue.').done();
    await page.context().setOffline(false);
    await shows('The sky is blue.');
    await isReady();
  });

  it('stops the model, and says so', async () => {
    const request = await ask('why?');
    request.text('The sky');
    await shows('The sky');
    await page.getByRole('button', { name: 'Stop' }).click();
    await request.closed;
    await page.getByText('Stopped').waitFor();
    await isReady();
    expect(await answer()).toBe('The sky');
  });
});
