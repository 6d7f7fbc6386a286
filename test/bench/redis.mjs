import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { CORES, cpuUsOf, pins } from './processes.mjs';

/** A Redis of the benchmark, as docs/cluster.md says that it should be but for the file. */
export class Redis {
  #child;

  /** @returns {Promise<Redis>} when it accepts connections */
  static async start() {
    const redis = new Redis();
    redis.port = await freePort();
    const args = ['--port', redis.port, '--bind', '127.0.0.1', '--save', ''].map(String);
    const command = ['redis-server', ...args, '--maxmemory-policy', 'noeviction'];
    if (pins) command.unshift('taskset', '-c', String(CORES.server));
    redis.#child = spawn(command[0], command.slice(1), { cwd: tmpdir() });
    await new Promise((resolve, reject) => {
      const fail = () => reject(new Error('PATH has no redis-server'));
      redis.#child.once('error', fail).once('exit', fail);
      redis.#child.stdout.on(
        'data',
        (said) => String(said).includes('Ready to accept') && resolve(),
      );
    });
    return redis;
  }

  get url() {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** CPU time so far, in µs. */
  get cpuUs() {
    return cpuUsOf(this.#child.pid);
  }

  async stop() {
    if (this.#child.exitCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await gone;
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
