import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nowUs } from './clock.mjs';
import { CORES, Process } from './processes.mjs';
import { Redis } from './redis.mjs';

/** A window in which the upstream itself was later than this counts for nothing. */
const UPSTREAM_LATE_MS = 25;

/**
 * What llm-cast is given besides its defaults: free ports, the synthetic upstream, and no waiting line
 * where the load itself is what is measured.
 */
export const SERVER_ENV = {
  PORT: '0',
  SOCKET_PORT: '0',
  OLLAMA_MODEL: 'bench',
  MAX_CONCURRENT: '99999',
};

const { scripts } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
);
/** `node`, its switches, and the file. */
const [, ...start] = scripts['start:prod'].split(' ');

const OURS = { file: `../../${start.at(-1)}`, args: start.slice(0, -1), door: 'socket.io' };

/**
 * What is measured: the program, the door of the load, and where several nodes share a Redis how many,
 * which of them is asked over REST, and which has the sockets.
 */
export const ROWS = {
  'llm-cast': OURS,
  'over the socket': { ...OURS, door: 'asking' },
  'one node': OURS,
  kept: { ...OURS, nodes: 1 },
  'asked elsewhere': { ...OURS, nodes: 2, asked: 1, sockets: 0 },
  'read elsewhere': { ...OURS, nodes: 2, asked: 0, sockets: 1, door: 'joining' },
  tutorial: { file: 'peers/tutorial.mjs', door: 'socket.io' },
  'bare ws': { file: 'peers/bare-ws.mjs', door: 'ws' },
  'http pipe': { file: 'peers/pipe.mjs', door: 'http' },
  direct: { file: undefined, door: 'http' },
};

const LITELLM_PORT = 21_400;

/** OpenAI's stream in, OpenAI's stream out. */
export const OPENAI_ROWS = {
  'llm-cast': {
    ...ROWS['llm-cast'],
    door: 'openai',
    env: (url) => ({
      OLLAMA_BASE_URL: '',
      OPENAI_BASE_URL: `${url}/v1`,
      OPENAI_MODEL: 'bench',
    }),
  },
  litellm: {
    // In PATH, of `pip install 'litellm[proxy]'`.
    file: 'litellm',
    door: 'openai',
    start: (url) => ({
      command: 'litellm',
      args: ['--config', litellmConfig(url), '--host', '127.0.0.1', '--port', `${LITELLM_PORT}`],
      url: `http://127.0.0.1:${LITELLM_PORT}`,
      readyPath: '/health/liveliness',
    }),
  },
  'http pipe': { ...ROWS['http pipe'], door: 'openai' },
  'nest pipe': { file: 'peers/nest-pipe.mjs', door: 'openai' },
  direct: { file: undefined, door: 'openai' },
};

/** One model, at the synthetic upstream. JSON is YAML. */
function litellmConfig(url) {
  const file = join(mkdtempSync(join(tmpdir(), 'llm-cast-bench-')), 'litellm.yaml');
  const params = { model: 'openai/bench', api_base: `${url}/v1`, api_key: 'none' };
  const list = [{ model_name: 'bench', litellm_params: params }];
  // It refuses to start without a key; here only this machine can ask it.
  const general = { dangerously_permit_weak_or_unset_master_key: true };
  writeFileSync(file, JSON.stringify({ model_list: list, general_settings: general }));
  return file;
}

/** One upstream, one server and one load client, each a process of its own. */
export class Rig {
  /** @param row a name of {@link ROWS}, or a row itself @returns {Promise<object>} what `measure` says */
  static async with(row, measure, { env = {} } = {}) {
    const rig = new Rig();
    try {
      await rig.#start(typeof row === 'string' ? ROWS[row] : row, env);
      return await measure(rig);
    } finally {
      await Promise.all([rig.client, ...rig.servers].map((process) => process?.stop()));
      await Promise.all([rig.upstream?.stop(), rig.redis?.stop()]);
    }
  }

  servers = [];

  async #start({ file, door, args, nodes, asked = 0, sockets = 0, start, env: own }, env) {
    this.door = door;
    this.upstream = await Process.start('upstream.mjs', { core: CORES.load });
    [this.urls] = [this.upstream.urls];
    if (nodes !== undefined) this.redis = await Redis.start();
    if (file !== undefined) {
      const [url] = this.upstream.urls;
      const all = { UPSTREAM: url, OLLAMA_BASE_URL: url, ...SERVER_ENV, ...own?.(url), ...env };
      if (nodes !== undefined) all.REDIS_URL = this.redis.url;
      for (let node = 0; node < (nodes ?? 1); node++) {
        const options = { core: CORES.server, env: all, args, ...start?.(url) };
        this.servers.push(await Process.start(file, options));
      }
      this.urls = this.servers[0].urls;
    }
    if (nodes !== undefined) {
      this.urls = [this.servers[asked].urls[0], this.servers[sockets].urls[1]];
      await untilOpen(this.urls[0]);
    }
    this.client = await Process.start('client.mjs', { core: CORES.load });
  }

  connect(count) {
    return this.client.ask('connect', {
      door: this.door,
      urls: this.urls,
      count,
    });
  }

  /** CPU time so far and the time of asking; of all nodes, and of their Redis. */
  cpu() {
    const measured = [...this.servers, ...(this.redis === undefined ? [] : [this.redis])];
    return {
      at: nowUs(),
      server: measured.reduce((sum, { cpuUs }) => sum + cpuUs, 0),
      upstream: this.upstream.cpuUs,
    };
  }

  get memory() {
    return this.servers[0]?.memory ?? { now: 0, peak: 0 };
  }

  /** Why the time between `from` and `to` does not count, if it does not. */
  async lateness(from, to, lateMs = UPSTREAM_LATE_MS) {
    const { max } = await this.upstream.ask('lateness', { from, to });
    return max > lateMs ? [`upstream ${max.toFixed(0)} ms late`] : [];
  }
}

/** The line of new nodes opens after some beats: an answer that is whole has been through it. */
async function untilOpen(url) {
  const response = await fetch(`${url}/llm/generate`, {
    method: 'POST',
    headers: { accept: 'text/event-stream', 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: '{"tokens":1}' }),
  });
  await response.text();
}
