// node test/bench/token-cost.mjs [--rounds 12] [--starts 500]
// What a credential costs a start: CPU of the server for a start over REST, with its whole answer,
// without one, with a key, with the same tokens again and again, with a new token each time.
// Each round has every row, so that what the machine does meanwhile falls on all of them.
// Then what the check of the credential alone takes of that.
import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ApiKeys } from '../../dist/access/api-keys.js';
import { Audit } from '../../dist/access/audit.js';
import { Authentication } from '../../dist/access/authentication.js';
import { FailedCredentials } from '../../dist/access/failed-credentials.js';
import { Revocations } from '../../dist/access/revocations.js';
import { Secrets } from '../../dist/access/secrets.js';
import { Sessions } from '../../dist/access/sessions.js';
import { TokenVerifier } from '../../dist/access/token-verifier.js';
import { loadConfig } from '../../dist/config/load.js';
import { CORES, Process } from './processes.mjs';
import { SERVER_ENV } from './rig.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '12' },
    starts: { type: 'string', default: '500' },
  },
});
const [ROUNDS, STARTS] = [Number(values.rounds), Number(values.starts)];
const SECRET = 'a-secret-of-the-benchmark-of-32-bytes-and-more';
const KEY = `lck_bench_${'k'.repeat(43)}`;
const USERS = 50;
const CHUNKS = 40;
const PARALLEL = 4;
const CHECKS = 20_000;
const agent = new Agent({ keepAlive: true, maxSockets: PARALLEL });

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
let made = 0;
function newToken() {
  const iat = Math.floor(Date.now() / 1000);
  const id = made++;
  const claims = { sub: `user-${id % USERS}`, aud: 'llm-cast', iat, exp: iat + 900, jti: `${id}` };
  const input = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${input}.${createHmac('sha256', SECRET).update(input).digest('base64url')}`;
}
const tokens = Array.from({ length: USERS }, newToken);

/** Answers each question at once. */
const upstream = createServer((asked, response) => {
  asked.resume();
  const line = (fields) => `${JSON.stringify({ model: 'bench', ...fields })}\n`;
  const usage = { done_reason: 'stop', prompt_eval_count: 1, eval_count: CHUNKS };
  response.end(
    line({ response: 'word ', done: false }).repeat(CHUNKS) +
      line({ response: '', done: true, ...usage }),
  );
}).listen(0, '127.0.0.1');
await once(upstream, 'listening');

const keys = join(mkdtempSync(join(tmpdir(), 'llm-cast-bench-')), 'keys.jsonl');
const sha256 = createHash('sha256').update(KEY).digest('hex');
writeFileSync(keys, `${JSON.stringify({ id: 'bench', sha256 })}\n`);
const CREDENTIALS = {
  JWT_SECRET: SECRET,
  API_KEYS_FILE: keys,
  // One process for all rows: no other one is as warm.
  ALLOW_ANONYMOUS: 'true',
};
const server = await Process.start('../../dist/main.js', {
  core: CORES.server,
  env: {
    ...SERVER_ENV,
    OLLAMA_BASE_URL: `http://127.0.0.1:${upstream.address().port}`,
    ...CREDENTIALS,
    // Counted, and never reached.
    LIMIT_STARTS_PER_MINUTE: '100000000',
    LIMIT_TOKENS_PER_DAY: '100000000000',
    LIMIT_RUNNING: '1000',
  },
});
const [url] = server.urls;
/** What each row shows at its start number `at`. */
const ROWS = {
  'no credential': () => undefined,
  'an API key': () => KEY,
  'a token that was seen': (at) => tokens[at % USERS],
  'a new token each time': newToken,
};

/** A start whose answer is streamed in the same response. */
function ask(credential) {
  const body = JSON.stringify({ prompt: 'x' });
  const headers = {
    accept: 'text/event-stream',
    'content-type': 'application/json',
    'content-length': body.length,
    ...(credential !== undefined && { authorization: `Bearer ${credential}` }),
  };
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', agent, headers };
    const asked = request(`${url}/llm/generate`, options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece) => (text += piece));
      response.on('end', () =>
        text.includes('"state":"completed"') ? resolve() : reject(new Error(text.slice(0, 300))),
      );
    });
    asked.on('error', reject).end(body);
  });
}

/** @returns CPU of the server a start, in µs */
async function run(credential) {
  const before = server.cpuUs;
  let next = 0;
  const lane = async () => {
    for (let at = next++; at < STARTS; at = next++) await ask(credential(at));
  };
  await Promise.all(Array.from({ length: PARALLEL }, lane));
  return (server.cpuUs - before) / STARTS;
}

/** @returns CPU of one check for each row, in µs */
async function checks() {
  const config = loadConfig(CREDENTIALS);
  const [apiKeys, secrets, audit] = [new ApiKeys(config), new Secrets(config), new Audit(config)];
  const sessions = new Sessions(apiKeys, new Revocations());
  const verifier = new TokenVerifier(config, secrets);
  const failed = new FailedCredentials(config);
  const parts = [config, apiKeys, verifier, sessions, failed, audit, secrets];
  const authentication = new Authentication(...parts);
  const costs = {};
  for (const [name, row] of Object.entries(ROWS)) {
    const credentials = Array.from({ length: CHECKS }, (_, at) => row(at));
    for (const few of [credentials.slice(0, CHECKS / 4), credentials.slice(CHECKS / 4)]) {
      const before = process.cpuUsage();
      for (const one of few) await authentication.identify(() => one, { address: '127.0.0.1' });
      const { user, system } = process.cpuUsage(before);
      // The first quarter is for the compiler.
      costs[name] = (user + system) / few.length;
    }
  }
  return costs;
}

const shuffled = (rows) =>
  rows
    .map((row) => [Math.random(), row])
    .toSorted(([one], [other]) => one - other)
    .map(([, row]) => row);
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
const measured = Object.fromEntries(Object.keys(ROWS).map((name) => [name, []]));
for (const row of Object.values(ROWS)) await run(row);
for (let round = 0; round < ROUNDS; round++) {
  // No row always follows the same other one, whose garbage it would collect.
  const rows = shuffled(Object.entries(ROWS));
  for (const [name, row] of rows) measured[name].push(await run(row));
  process.stderr.write(`${round + 1}/${ROUNDS}\r`);
}
const base = measured['no credential'];
for (const [name, costs] of Object.entries(measured)) {
  const more = median(costs.map((cost, round) => (cost / base[round] - 1) * 100));
  console.log(`${name.padEnd(24)} ${median(costs).toFixed(0)} µs   ${more.toFixed(1)} %`);
}
const start = median(base);
for (const [name, us] of Object.entries(await checks())) {
  const share = `${((us / start) * 100).toFixed(1)} % of a start`;
  console.log(`the check alone: ${name.padEnd(24)} ${us.toFixed(1)} µs   ${share}`);
}
await server.stop();
agent.destroy();
upstream.close();
