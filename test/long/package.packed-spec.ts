import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Program } from '../support/program.js';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');
/** What the registry takes on a busy machine. */
const LONG_MS = 600_000;

// As somebody has it who installs it from a registry. Needs the npm registry.
describe('the packed server, installed in an empty folder', () => {
  let folder: string;
  let installed: string;
  let program: Program | undefined;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'llm-cast-package-'));
    const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], {
      cwd: ROOT,
    });
    const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string }];
    writeFileSync(join(folder, 'package.json'), '{"private":true}');
    const flags = ['--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund'];
    await run('npm', ['install', ...flags, join(folder, filename)], { cwd: folder });
    installed = join(folder, 'node_modules/llm-cast');
  }, LONG_MS);
  afterEach(async () => {
    await program?.kill();
    program = undefined;
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const command = (...args: string[]) =>
    run(join(folder, 'node_modules/.bin/llm-cast'), args, { cwd: folder });

  it('has its command, in the version of its package.json', async () => {
    const { version } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    expect((await command('--version')).stdout).toBe(`${version}\n`);
    expect((await command('--help')).stdout).toContain('--ollama-base-url');
  });

  it('answers on the demo, and serves its page, its client and its API documents', async () => {
    program = Program.run(join(installed, 'dist/demo.js'), [], {
      cwd: folder,
      env: { PORT: 0, SOCKET_PORT: 0 },
    });
    const [, url = ''] = await program.said(/REST +(http:\S+)\/llm\/generate/);
    const pages = [
      '/',
      '/doctor',
      '/client.js',
      '/docs/',
      '/docs/swagger-ui.css',
      '/asyncapi.json',
    ];
    const statuses = await Promise.all(
      pages.map(async (path) => [path, (await fetch(url + path)).status]),
    );
    expect(statuses).toEqual(pages.map((path) => [path, 200]));
    const page = await (await fetch(url, { headers: { accept: 'text/html' } })).text();
    const [, script] = /src="\.?\/?(assets\/index[^"]+\.js)"/.exec(page)!;
    expect((await fetch(`${url}/${script}`)).status).toBe(200);
    const answer = await fetch(`${url}/llm/chat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ messages: [{ role: 'user', content: 'How do I cancel?' }] }),
    });
    expect(await answer.text()).toMatch(/"state":"completed"/);
  });

  it('has the scripts that several nodes need', () => {
    const scripts = readdirSync(join(ROOT, 'src/cluster/lua'));
    expect(scripts.length).toBeGreaterThan(0);
    expect(readdirSync(join(installed, 'dist/cluster/lua'))).toEqual(scripts);
  });

  it('has neither tests nor sources', () => {
    const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(files).not.toContain('src');
    expect(() => readFileSync(join(installed, 'test/docs.e2e-spec.ts'))).toThrow('ENOENT');
    expect(() => readFileSync(join(installed, 'src/main.ts'))).toThrow('ENOENT');
  });
});
