// Two nodes of llm-cast behind nginx, which share their generations over Redis.
//   PORT             where nginx listens (3000)
//   REDIS_URL        a Redis that is there; else redis-server is started
//   OLLAMA_BASE_URL  an Ollama that is there, with OLLAMA_MODEL; else the built-in upstream is started
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const dist = fileURLToPath(new URL('../../dist/', import.meta.url));
const { PORT = '3000', REDIS_URL, OLLAMA_BASE_URL, OLLAMA_MODEL } = process.env;
const folder = mkdtempSync(join(tmpdir(), 'llm-cast-two-nodes-'));
const children = [];

function end(code) {
  for (const child of children) child.kill();
  rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => end(0));

/** Starts a program that the example cannot do without. */
function start(program, args, env = {}) {
  const stdio = ['ignore', 'ignore', 'inherit'];
  const child = spawn(program, args, { cwd: folder, stdio, env: { ...process.env, ...env } });
  children.push(child);
  child.once('error', ({ code }) => {
    console.error(code === 'ENOENT' ? `Please install ${program}: PATH has none.` : code);
    end(1);
  });
  return child;
}

/** A port that nobody listens on. */
async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function answers(url) {
  while (
    !(await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    ))
  )
    await sleep(100);
}

let redis = REDIS_URL;
if (redis === undefined) {
  const port = await freePort();
  redis = `redis://127.0.0.1:${port}`;
  start('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '']);
}

const upstream = { OLLAMA_BASE_URL, OLLAMA_MODEL };
if (OLLAMA_BASE_URL === undefined) {
  const port = await freePort();
  upstream.OLLAMA_BASE_URL = `http://127.0.0.1:${port}`;
  upstream.OLLAMA_MODEL = 'demo';
  const pace = ['--port', String(port), '--rate', '20', '--parallel', '10'];
  start(process.execPath, [join(dist, 'fake-ollama/main.js'), ...pace]);
  await answers(`${upstream.OLLAMA_BASE_URL}/api/version`);
}

const nodes = [];
for (const id of ['a', 'b']) {
  const port = String(await freePort());
  const child = start(process.execPath, [join(dist, 'main.js')], {
    ...upstream,
    // One port for REST and Socket.IO. Only WebSockets: polling would have to come back to its node.
    PORT: port,
    SOCKET_PORT: port,
    SOCKET_TRANSPORTS: 'websocket',
    REDIS_URL: redis,
    NODE_ID: id,
    TRUST_PROXY: 'loopback',
    MAX_CONCURRENT: '4',
    LOG_LEVEL: 'warn',
  });
  nodes.push({ id, port, pid: child.pid });
}
await Promise.all(nodes.map(({ port }) => answers(`http://127.0.0.1:${port}/health/live`)));

let config = readFileSync(new URL('nginx.conf', import.meta.url), 'utf8');
config = config.replace('127.0.0.1:3000', `127.0.0.1:${PORT}`);
for (const [at, { port }] of nodes.entries())
  config = config.replace(`:${3001 + at} `, `:${port} `);
writeFileSync(join(folder, 'nginx.conf'), config);
start('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')]);
await answers(`http://127.0.0.1:${PORT}/health/live`);

console.log(`Open http://localhost:${PORT}

Two nodes answer there: ${nodes.map(({ id, pid }) => `${id} (pid ${pid})`).join(' and ')}.
Open two tabs, ask in one, and kill a node in the middle of the answer: kill -9 ${nodes[0].pid}
What the other node makes goes on; what the dead one made ends, with all that was kept of it.
Ctrl-C stops everything.`);
