import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { bearer, SECRET } from './support/credentials.js';
import { call } from './support/rest.js';
import { until } from './support/until.js';

/* The recipes of docs/access.md, run as they stand there, and the example. */

const ROOT = join(import.meta.dirname, '..');
const DOCUMENT = readFileSync(join(ROOT, 'docs/access.md'), 'utf8');

/** The first code block of that language below that heading. */
function recipe(heading: string, language: string): string {
  const [, section = ''] = DOCUMENT.split(`\n### ${heading}\n`);
  const [, code] = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(section) ?? [];
  if (code === undefined) throw new Error(`docs/access.md has no ${language} below ${heading}`);
  return code;
}

/** Runs a program that prints a token. */
function run(command: string, args: string[]): string {
  const env = { PATH: process.env['PATH'], JWT_SECRET: SECRET, HOME: process.env['HOME'] };
  return execFileSync(command, args, { cwd: ROOT, env, encoding: 'utf8' }).trim();
}

function has(command: string, args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const RECIPES: [string, boolean, () => string][] = [
  [
    'Node',
    true,
    () => {
      const [token] = /await new SignJWT[^]*?\.sign\(secret\)/.exec(recipe('Node', 'js')) ?? [];
      const code = `import { SignJWT } from 'jose';
        const secret = new TextEncoder().encode(process.env.JWT_SECRET);
        const user = 'ada';
        console.log(${token});`;
      return run(process.execPath, ['--input-type=module', '-e', code]);
    },
  ],
  [
    'Python',
    has('python3', ['-c', 'import jwt']),
    () => run('python3', ['-c', `${recipe('Python', 'python')}\nprint(llm_token("ada"))`]),
  ],
  [
    'PHP',
    has('php', ['-v']),
    () => run('php', ['-r', `${recipe('PHP', 'php')} echo llm_token('ada');`]),
  ],
  [
    'Ruby',
    has('ruby', ['-v']),
    () => run('ruby', ['-e', `${recipe('Ruby, Rails', 'ruby')}\nputs llm_token("ada")`]),
  ],
];

describe('the recipes of docs/access.md', () => {
  let app: RunningServer;
  beforeAll(async () => {
    app = await startApp({ JWT_SECRET: SECRET });
  });
  afterAll(() => app?.close());

  for (const [language, isInstalled, make] of RECIPES) {
    const test = isInstalled ? it : it.skip;
    test(`${language} makes a token of ada${isInstalled ? '' : ': it is not installed'}`, async () => {
      const { status, body } = await call('GET', `${app.url}/llm/me`, undefined, bearer(make()));
      expect(status).toBe(200);
      expect(body).toMatchObject({ kind: 'user', tenant: 'default', sub: 'ada' });
    });
  }

  it('the example gives a page a token that its socket is let in with', async () => {
    const server = spawn(process.execPath, ['examples/node-backend-with-tokens/server.mjs'], {
      cwd: ROOT,
      env: {
        PATH: process.env['PATH'],
        JWT_SECRET: SECRET,
        PORT: '0',
        LLM_CAST_SOCKET_URL: app.socketUrl,
      },
    });
    try {
      let said = '';
      server.stdout.on('data', (bytes) => (said += String(bytes)));
      await until(() => said.includes('http://'));
      const [url = ''] = /http:\/\/\S+/.exec(said) ?? [];
      expect(await (await fetch(url)).text()).toContain(`${app.socketUrl}/events`);
      expect((await fetch(`${url}/socket.io.js`)).status).toBe(200);
      const { token } = (await (await fetch(`${url}/llm-token`)).json()) as { token: string };
      const client = await Client.connect(app.socketUrl, { auth: { token } });
      client.close();
    } finally {
      server.kill();
      await once(server, 'exit');
    }
  });
});
