// `npm run monitoring`: two nodes on Redis, two upstreams, users and some faults for a few minutes under a
// real Prometheus; then the pictures of docs/monitoring.md. Needs redis-server and prometheus.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'llm-cast-client';
import { draw } from './draw.mjs';

const SECONDS = Number(process.argv[2] ?? 120);
const USERS = 8;
const ROOT = new URL('../../', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'llm-cast-monitoring-'));
const children = [];

function start(command, args, env = {}) {
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH, ...env },
    cwd: folder,
    stdio: 'ignore',
  });
  children.push(child);
  return child;
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function answers(url) {
  for (;;) {
    if (
      await fetch(url).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return;
    await sleep(100);
  }
}

const [redis, prometheus, good, bad, ...ports] = await Promise.all(
  Array.from({ length: 8 }, freePort),
);
const upstream = (port, ...more) =>
  start(
    process.execPath,
    [
      `${ROOT}dist/fake-ollama/main.js`,
      '--port',
      port,
      '--parallel',
      3,
      '--jitter',
      0.5,
      ...more,
    ].map(String),
  );
const node = (rest, socket, more = {}) =>
  start(process.execPath, [`${ROOT}dist/main.js`], {
    PORT: rest,
    SOCKET_PORT: socket,
    METRICS: 'true',
    OLLAMA_MODEL: 'demo',
    OLLAMA_BASE_URL: `http://127.0.0.1:${good},http://127.0.0.1:${bad}`,
    MAX_CONCURRENT: 3,
    REDIS_URL: `redis://127.0.0.1:${redis}`,
    LIMIT_SOCKETS_PER_ADDRESS: 0,
    LIMIT_HANDSHAKES_PER_10S: 0,
    ...more,
  });
/** One after the other, until told to stop: asks, and sometimes cancels, loses the line, or goes. */
async function user(url, number, until) {
  const cast = connect(url, {
    report: true,
    socket: { transports: number % 4 === 0 ? ['polling'] : ['websocket'] },
  });
  while (Date.now() < until) {
    const stream = cast.chat({ messages: [{ role: 'user', content: 'What is llm-cast?' }] });
    const fate = Math.random();
    if (fate < 0.15) setTimeout(() => void stream.cancel().catch(() => undefined), 2_000);
    await stream.result.catch(() => sleep(500));
    await sleep(1_000 * Math.random());
  }
  cast.close();
}

try {
  start('redis-server', ['--port', String(redis), '--save', '', '--dir', folder]);
  upstream(good);
  let failing = upstream(bad, '--first-token-ms', 300);
  await sleep(1_000);
  const [restA, socketA, restB, socketB] = ports;
  node(restA, socketA);
  const second = node(restB, socketB);
  const targets = [`127.0.0.1:${restA}`, `127.0.0.1:${restB}`];
  const config = {
    global: { scrape_interval: '1s' },
    scrape_configs: [{ job_name: 'llm-cast', static_configs: [{ targets }] }],
  };
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const url = `http://127.0.0.1:${prometheus}`;
  start('prometheus', [
    `--config.file=${folder}/prometheus.yml`,
    `--storage.tsdb.path=${folder}/data`,
    `--web.listen-address=127.0.0.1:${prometheus}`,
  ]);
  await Promise.all(
    [`${url}/-/ready`, ...targets.map((target) => `http://${target}/health/ready`)].map(answers),
  );
  console.log(`runs for ${SECONDS} s; Prometheus is on ${url}`);

  const from = Date.now();
  const until = from + SECONDS * 1000;
  const users = Array.from({ length: USERS }, (_, number) =>
    user(`http://127.0.0.1:${number % 2 === 0 ? socketA : socketB}`, number, until),
  );
  // One upstream is away for a while; later a node is lost.
  await sleep((SECONDS * 1000) / 4);
  failing.kill('SIGKILL');
  await sleep((SECONDS * 1000) / 6);
  failing = upstream(bad, '--first-token-ms', 300);
  await sleep((SECONDS * 1000) / 4);
  second.kill('SIGKILL');
  await sleep(8_000);
  node(restB, socketB);
  await Promise.race([Promise.all(users), sleep(Math.max(0, until + 10_000 - Date.now()))]);
  const pictures = join(ROOT, 'docs/images');
  console.log((await draw(url, (Date.now() - from) / 1000, pictures)).join('\n'));
} finally {
  for (const child of children) child.kill('SIGKILL');
  await sleep(500);
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
