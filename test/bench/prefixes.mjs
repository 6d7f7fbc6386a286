// LLAMA_SERVER=… LLAMA_MODEL=… node test/bench/prefixes.mjs [--conversations 6]
// The second turn of a conversation of 1,100 words on two real llama-servers, while others ask beside
// it, each after a pause: the time to its first token, routed by known prefix and not. The two take turns.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { CORES, Process } from './processes.mjs';
import { SERVER_ENV } from './rig.mjs';

const { values } = parseArgs({ options: { conversations: { type: 'string', default: '6' } } });
const { LLAMA_SERVER, LLAMA_MODEL } = process.env;
const WORDS = 1_100;
const OTHERS = 3;
/** Longest pause of one who asks beside it, and the one of the conversation, in milliseconds. */
const LONGEST_PAUSE_MS = 3_000;
const PAUSE_MS = 3_000;
const MODEL = 'smollm2';

const freePort = async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
};

/** A llama-server on one thread, with room for the conversation and for who asks beside it. */
async function startModel() {
  const port = await freePort();
  const at = ['--host', '127.0.0.1', '--port', String(port), '--alias', MODEL];
  const size = ['-c', '16384', '-np', '2', '-t', '1'];
  const child = spawn(LLAMA_SERVER, ['-m', LLAMA_MODEL, ...at, ...size], { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  for (;;) {
    const answer = await fetch(`${url}/health`).catch(() => undefined);
    if (answer?.ok) return { child, url };
    await sleep(100);
  }
}

const models = await Promise.all([startModel(), startModel()]);
const env = {
  ...SERVER_ENV,
  OLLAMA_BASE_URL: '',
  OPENAI_BASE_URL: models.map(({ url }) => url).join(),
  OPENAI_MODEL: MODEL,
  MAX_CONCURRENT: '2',
};
const servers = {};
for (const routed of ['true', 'false']) {
  servers[routed] = await Process.start('../../dist/main.js', {
    core: CORES.server,
    env: { ...env, ROUTE_BY_PREFIX: routed },
  });
}

/** @returns how long the first token took, in milliseconds, and the whole text */
async function ask(routed, messages, tokens) {
  const [url] = servers[routed].urls;
  const begun = performance.now();
  const response = await fetch(`${url}/llm/chat`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ messages, options: { num_predict: tokens, seed: 1 } }),
  });
  let firstMs;
  let text = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    for (const [, data] of chunk.matchAll(/^data: (.*)$/gm)) {
      const piece = JSON.parse(data).message?.content;
      if (piece) firstMs ??= performance.now() - begun;
      text += piece ?? '';
    }
  }
  return { firstMs, text };
}

/** Others ask short questions, each after a pause, for as long as `during` takes. */
async function beside(routed, during) {
  const over = new AbortController();
  const others = Array.from({ length: OTHERS }, async (_, other) => {
    for (let n = 0; !over.signal.aborted; n++) {
      const content = `What is ${other * 1_000 + n} and one?`;
      await ask(routed, [{ role: 'user', content }], 16);
      await sleep(LONGEST_PAUSE_MS * Math.random());
    }
  });
  try {
    return await during();
  } finally {
    over.abort();
    await Promise.all(others);
  }
}

const took = { true: [], false: [] };
for (let at = 0; at < Number(values.conversations); at++) {
  const words = Array.from({ length: WORDS }, (_, n) => `word${(n * 7 + at) % 97}`).join(' ');
  for (const routed of at % 2 ? ['true', 'false'] : ['false', 'true']) {
    const messages = [{ role: 'user', content: `${routed} ${at}: ${words}. What is this about?` }];
    const { firstMs } = await beside(routed, async () => {
      const { text } = await ask(routed, messages, 24);
      await sleep(PAUSE_MS);
      messages.push({ role: 'assistant', content: text }, { role: 'user', content: 'And then?' });
      return ask(routed, messages, 8);
    });
    took[routed].push(firstMs);
  }
}
const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];
for (const [routed, list] of Object.entries(took)) {
  const sorted = list
    .sort((a, b) => a - b)
    .map(Math.round)
    .join(' ');
  console.log(`ROUTE_BY_PREFIX=${routed}: first token ${Math.round(median(list))} ms (${sorted})`);
}
const mean = (list) => list.reduce((sum, ms) => sum + ms, 0) / list.length;
console.log(
  `routed ÷ not: median ${(median(took.true) / median(took.false)).toFixed(3)}, ` +
    `mean ${(mean(took.true) / mean(took.false)).toFixed(3)}`,
);
await Promise.all(Object.values(servers).map((server) => server.stop()));
for (const { child } of models) child.kill();
