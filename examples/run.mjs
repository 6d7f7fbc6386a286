// Starts an example from a clone, with all that it needs.
//   npm run example -- NAME
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = join(here, '..');
const [name = '', ...args] = process.argv.slice(2);
const folder = join(here, name);
const names = readdirSync(here, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);

if (!names.includes(name)) {
  console.error(`Which example? npm run example -- ${names.join(' | ')}`);
  process.exit(2);
}

/** Runs a command to its end, without a word unless it fails. */
function run(command, commandArgs, cwd) {
  const { status, stdout, stderr } = spawnSync(command, commandArgs, { cwd, encoding: 'utf8' });
  if (status === 0) return;
  console.error(stdout + stderr);
  process.exit(1);
}

const {
  LLM_CAST_URL: url = 'http://localhost:3000',
  LLM_CAST_SOCKET_URL: socketUrl = 'http://localhost:4321',
} = process.env;
const answers = () =>
  fetch(`${url}/health/live`).then(
    ({ ok }) => ok,
    () => false,
  );

const portOf = (address) => new URL(address).port || '80';

const children = [];
const end = (code) => {
  for (const child of children) child.kill();
  process.exit(code);
};
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => end(0));

/** What the example says of itself, if it is one in JavaScript. */
const about = existsSync(join(folder, 'package.json'))
  ? JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  : undefined;
const hasOwnServer = about?.config?.server === 'own';

if (about?.config?.secret === 'shared' && process.env.JWT_SECRET === undefined) {
  if (await answers()) {
    console.error(`Please set JWT_SECRET to that of the server at ${url}, or stop that server.`);
    process.exit(2);
  }
  process.env.JWT_SECRET = randomBytes(36).toString('base64url');
}

if (hasOwnServer || !(await answers())) {
  if (!existsSync(join(root, 'dist/demo.js'))) {
    console.log('building llm-cast…');
    run('npm', ['run', '--silent', 'build'], root);
  }
}
if (!hasOwnServer && !(await answers())) {
  const env = { ...process.env, PORT: portOf(url), SOCKET_PORT: portOf(socketUrl) };
  const demo = spawn(process.execPath, [join(root, 'dist/demo.js')], { stdio: 'ignore', env });
  children.push(demo);
  demo.once('exit', () => {
    console.error(`The demo could not start; is a port taken? See: node ${root}/dist/demo.js`);
    end(1);
  });
  while (!(await answers())) await sleep(100);
}

if (about !== undefined) {
  if (about.dependencies !== undefined) {
    console.log('installing…');
    // The client of this clone, as the registry would give it.
    const packed = mkdtempSync(join(tmpdir(), 'llm-cast-'));
    run('npm', ['pack', '--silent', '--pack-destination', packed], join(root, 'client'));
    const [tarball] = readdirSync(packed);
    const needs = ['install', '--no-save', '--no-package-lock', '--no-audit', '--no-fund'];
    run('npm', [...needs, join(packed, tarball)], folder);
    rmSync(packed, { recursive: true });
  }
  children.push(
    spawn('npm', ['start', '--silent', '--', ...args], { cwd: folder, stdio: 'inherit' }),
  );
} else {
  children.push(spawn('python3', [join(folder, 'chat.py'), ...args], { stdio: 'inherit' }));
}
children.at(-1).once('exit', (code) => end(code ?? 1));
