import { readFileSync } from 'node:fs';
import { nowUs } from './clock.mjs';
import { CORES, Process } from './processes.mjs';

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

export const ROWS = {
  'llm-cast': { file: `../../${start.at(-1)}`, args: start.slice(0, -1), door: 'socket.io' },
  tutorial: { file: 'peers/tutorial.mjs', door: 'socket.io' },
  'bare ws': { file: 'peers/bare-ws.mjs', door: 'ws' },
  'http pipe': { file: 'peers/pipe.mjs', door: 'http' },
  direct: { file: undefined, door: 'http' },
};

/** One upstream, one server and one load client, each a process of its own. */
export class Rig {
  /** @returns {Promise<object>} what `measure` says */
  static async with(row, measure, { env = {} } = {}) {
    const rig = new Rig();
    try {
      const { file, door, args } = ROWS[row];
      rig.door = door;
      rig.upstream = await Process.start('upstream.mjs', { core: CORES.load });
      const [url] = rig.upstream.urls;
      if (file !== undefined) {
        const all = { UPSTREAM: url, OLLAMA_BASE_URL: url, ...SERVER_ENV, ...env };
        rig.server = await Process.start(file, { core: CORES.server, env: all, args });
      }
      rig.client = await Process.start('client.mjs', { core: CORES.load });
      return await measure(rig);
    } finally {
      await Promise.all([rig.client?.stop(), rig.server?.stop()]);
      await rig.upstream?.stop();
    }
  }

  connect(count) {
    return this.client.ask('connect', {
      door: this.door,
      urls: (this.server ?? this.upstream).urls,
      count,
    });
  }

  /** CPU time so far and the time of asking. */
  cpu() {
    return {
      at: nowUs(),
      server: this.server?.cpuUs ?? 0,
      upstream: this.upstream.cpuUs,
    };
  }

  get memory() {
    return this.server?.memory ?? { now: 0, peak: 0 };
  }

  /** Why the time between `from` and `to` does not count, if it does not. */
  async lateness(from, to) {
    const { max } = await this.upstream.ask('lateness', { from, to });
    return max > UPSTREAM_LATE_MS ? [`upstream ${max.toFixed(0)} ms late`] : [];
  }
}
