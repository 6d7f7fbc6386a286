import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../../test/support/app.js';
import { ScriptedUpstream } from '../../test/support/scripted-upstream.js';
import { until } from '../../test/support/until.js';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const readme = readFileSync(at('../README.md'), 'utf8');

/** The README's example in this language, in its own process; it is built from `dist`. */
class Example {
  output = '';
  private readonly process: ChildProcessWithoutNullStreams;
  private readonly exit: Promise<unknown>;

  constructor(language: string, args: string[], change = (code: string): string => code) {
    const [, code] = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'ms').exec(readme) ?? [];
    if (code === undefined) throw new Error(`the README has no example in ${language}`);
    this.process = spawn(process.execPath, args, { cwd: at('.') });
    this.exit = once(this.process, 'exit');
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
    this.process.stdin.end(change(code));
  }

  async shows(text: string): Promise<void> {
    await until(() => this.output.includes(text)).catch(() => undefined);
    if (!this.output.includes(text)) throw new Error(`no "${text}" in: ${this.output}`);
  }

  async ends(): Promise<void> {
    await this.exit;
  }

  async close(): Promise<void> {
    this.process.kill();
    await this.exit;
  }
}

describe("the README's example", () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let example: Example | undefined;

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url });
  });
  afterEach(async () => {
    await example?.close();
    example = undefined;
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  const messages = [{ role: 'user', content: 'Why is the sky blue?' }];

  it('for Node.js prints the answer as it comes, and ends', async () => {
    const here = (code: string): string => code.replaceAll('http://localhost:4321', app.socketUrl);
    example = new Example('ts', ['--input-type=module'], here);
    const request = await upstream.nextCall();
    expect(request.body).toMatchObject({ messages });
    request.text('Because');
    await example.shows('Because');
    request.text(' of Rayleigh.').done();
    await example.ends();
    expect(example.output).toBe('Because of Rayleigh.\ncompleted, every byte is there\n');
  });

  it.each(['html', 'vue', 'tsx'])('in %s shows the answer as it comes', async (language) => {
    example = new Example(language, [at('support/run-example.mjs'), language, app.socketUrl]);
    const request = await upstream.nextCall();
    expect(request.body).toMatchObject({ messages });
    request.text('Because');
    await example.shows('Because\n');
    request.text(' of Rayleigh.').done();
    await example.shows('Because of Rayleigh.\n');
    expect(example.output).not.toMatch(/error|warn/i);
  });
});
