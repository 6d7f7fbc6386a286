import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { startApp } from '../../../test/support/app.js';
import { AS_BROWSER } from '../../../test/support/as-browser.js';

/** An answer on the page under test, in the place of the one before. */
export interface Answer {
  readonly content: Element;
  write(piece: string): Promise<void>;
  finish(): Promise<void>;
  replace(text: string, finished?: boolean): Promise<void>;
}

declare global {
  interface Window {
    startAnswer(): Answer;
    violations: string[];
  }
}

const WEB = fileURLToPath(new URL('../..', import.meta.url));
const VITE = fileURLToPath(new URL('../../../node_modules/vite/bin/vite.js', import.meta.url));
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.woff2': 'font/woff2',
};

/**
 * Serves a page with `MarkdownText` and nothing else, built as the chat page is and under the policy
 * that the real server sends with the chat page.
 */
export async function serveMarkdownPage(): Promise<{ url: string; close: () => Promise<void> }> {
  const built = await mkdtemp(join(tmpdir(), 'llm-cast-markdown-'));
  const source = join(WEB, 'test/support/markdown-page');
  const options = [
    '--config',
    join(WEB, 'vite.config.ts'),
    '--outDir',
    built,
    '--logLevel=error',
    '--mode=test',
  ];
  await promisify(execFile)(process.execPath, [VITE, 'build', source, ...options]);
  const policy = await policyOfTheChatPage();

  const server = createServer((request, response) => {
    const path = request.url === '/' ? '/index.html' : request.url!;
    readFile(join(built, path)).then(
      (content) => {
        response.setHeader('Content-Security-Policy', policy);
        response.setHeader('Content-Type', TYPES[extname(path)] ?? '').end(content);
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(built, { recursive: true });
    },
  };
}

async function policyOfTheChatPage(): Promise<string> {
  const app = await startApp();
  try {
    const response = await fetch(`${app.url}/`, AS_BROWSER);
    const policy = response.headers.get('content-security-policy');
    if (policy?.includes("style-src 'self';") !== true) throw new Error(`policy is ${policy}`);
    return policy;
  } finally {
    await app.close();
  }
}

/** HTML without what every block has (a direction) and what was measured (the width of columns). */
export function plain(html: string): string {
  return html.replace(/ (?:dir="\w+"|style="[^"]*")/g, '');
}

/** The page under test, open, with what it did that it must not do. */
export async function openMarkdownPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; misdeeds: string[] }> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const misdeeds: string[] = [];
  page.on('pageerror', (error) => misdeeds.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => {
    misdeeds.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    const isOwn = request.url() === url || request.url().startsWith(`${url}assets/`);
    if (!isOwn) misdeeds.push(`request: ${request.url()}`);
  });
  page.on('framenavigated', (frame) => {
    if (frame.url() !== url) misdeeds.push(`navigation: ${frame.url()}`);
  });
  await page.goto(url);
  return { page, misdeeds };
}
