import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import type { UpstreamCall } from '../../../test/support/scripted-upstream.js';
import type { Stage } from '../../../test/support/stage.js';
import { until } from '../../../test/support/until.js';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** An app in a process of its own, and what it prints. */
export class App {
  output = '';
  private readonly child: ChildProcess;
  private readonly exit: Promise<unknown>;

  /** @param cwd where it stands */
  constructor(command: string, args: string[], cwd: string, env: Record<string, string> = {}) {
    // A group of its own: what it starts ends with it.
    this.child = spawn(command, args, { cwd, env: { ...process.env, ...env }, detached: true });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
    this.exit = new Promise((resolve) => this.child.once('exit', resolve));
  }

  /** Resolves with the exit code. */
  ended(): Promise<unknown> {
    return this.exit;
  }

  /** Resolves with its address when it answers there. */
  async answers(): Promise<string> {
    let address = '';
    await until(async () => {
      if (this.child.exitCode !== null) throw new Error(`It has ended: ${this.output}`);
      // eslint-disable-next-line no-control-regex
      const plain = this.output.replace(/\x1b\[[0-9;]*m/g, '');
      const [found] = /http:\/\/(localhost|127\.0\.0\.1|\[::\]|0\.0\.0\.0):\d+/.exec(plain) ?? [];
      address = found?.replace(/\[::\]|0\.0\.0\.0/, 'localhost') ?? '';
      return address !== '' && (await fetch(address).catch(() => undefined))?.ok === true;
    }, 240_000);
    return address;
  }

  async close(): Promise<void> {
    try {
      process.kill(-this.child.pid!, 'SIGTERM');
    } catch {
      // It has ended by itself.
    }
    await this.exit;
  }
}

/** A page, and what it complains of. */
export async function openPage(browser: Browser, url: string) {
  const page = await (await browser.newContext()).newPage();
  const complaints: string[] = [];
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  await page.goto(url);
  return { page, complaints };
}

/** Asks in the page, and has half of the answer come. */
export async function ask(page: Page, stage: Stage): Promise<UpstreamCall> {
  await page.getByRole('textbox', { name: 'Question' }).fill('Why is the sky blue?');
  await page.getByRole('button', { name: 'Ask', exact: true }).click();
  const call = await stage.upstream.nextCall();
  const asked = call.body['messages'] as { content: string }[];
  expect(asked.at(-1)).toEqual({ role: 'user', content: 'Why is the sky blue?' });
  call.text('Because');
  await sees(page, 'Because');
  return call;
}

export async function sees(page: Page, text: string): Promise<void> {
  await page.getByText(text, { exact: true }).waitFor();
}
