import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './until.js';

/** Where a program runs. */
export interface Around {
  /** All of its environment: the developer's own must not change the outcome. */
  env?: Record<string, string | number>;
  /** Away from a developer's `.env`, if it is not given. */
  cwd?: string;
}

/** A built program in a process of its own, as its users run it. */
export class Program {
  /** What it wrote so far. */
  stdout = '';
  stderr = '';
  /** Resolves with the exit code when its output was read, too; a signal that killed it is none. */
  readonly exited: Promise<number | null>;
  readonly child: ChildProcess;

  private constructor(command: string, args: string[], { env = {}, cwd = tmpdir() }: Around) {
    const given = Object.entries(env).map(([name, value]) => [name, String(value)]);
    this.child = spawn(command, args, {
      cwd,
      env: { PATH: process.env['PATH'], ...Object.fromEntries(given) },
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.exited = new Promise((resolve) => this.child.once('close', resolve));
  }

  /** @param file below `dist/`, or the whole path of one that is installed elsewhere */
  static run(file: string, args: string[] = [], around: Around = {}): Program {
    return new Program(process.execPath, [built(file), ...args], around);
  }

  /** On a terminal: what it writes, on either stream, is in `stdout`. */
  static onTerminal(file: string, args: string[], env: Around['env'] = {}): Program {
    // In place of the shell, which would end by the Ctrl-C that the program has survived.
    const words = [process.execPath, built(file), ...args].map((word) => `'${word}'`);
    const line = `exec ${words.join(' ')}`;
    const around = { env: { TERM: 'xterm', SHELL: '/bin/sh', ...env } };
    return new Program('script', ['-qefc', line, '/dev/null'], around);
  }

  /** The server, on free ports. */
  static server(env: Record<string, string | number>): Program {
    return Program.run('main.js', [], {
      env: { PORT: 0, SOCKET_PORT: 0, ...env },
    });
  }

  /** Resolves with what the pattern finds in `stdout`. Fails when that takes too long, or when it has ended. */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    await until(() => pattern.test(this.stdout) || this.hasEnded).catch(() => undefined);
    const found = pattern.exec(this.stdout);
    if (found === null) throw new Error(`no ${pattern} in: ${this.stdout}${this.stderr}`);
    return found;
  }

  /** Where a server listens, by its own word. */
  async listening(): Promise<{ url: string; socketUrl: string }> {
    const said = await this.said(/REST on (http:\S+), Socket\.IO on (http:\S+)\/events/);
    const [, url = '', socketUrl = ''] = said;
    return { url, socketUrl };
  }

  /** Ends it, if it has not ended by itself. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    // What nobody reads holds back the end.
    this.child.stdout?.resume();
    await this.exited;
  }

  private get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }
}

function built(file: string): string {
  const here = new URL(`../../dist/${file}`, import.meta.url);
  const path = isAbsolute(file) ? file : fileURLToPath(here);
  if (!existsSync(path)) throw new Error(`run \`npm run build\` first: this tests dist/${file}`);
  return path;
}
