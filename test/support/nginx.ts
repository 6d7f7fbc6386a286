import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningServer } from '../../src/server.js';
import { onFreePort } from './free-port.js';
import { programInPath } from './needs.js';
import { until } from './until.js';

const BINARY = programInPath('nginx');

/** What `describeIf` asks for. */
export const NGINX = [
  BINARY !== undefined,
  'deploy/nginx*.conf is not tested, as PATH has no nginx (apt-get install nginx-light)',
] as const;

/** As systemd starts services: so many open files, unless a program asks for more. */
const FEW_FILES = 'ulimit -Sn 1024';

/** From the first location of `deploy/nginx.conf` to its end. */
const [LOCATIONS = ''] =
  / *# Socket\.IO: websocket and polling\.[^]*$/.exec(
    readFileSync(join(import.meta.dirname, '../../deploy/nginx.conf'), 'utf8'),
  ) ?? [];

type App = Pick<RunningServer, 'url' | 'socketUrl'>;

/** What differs from the shipped configuration of one node. */
type Shown =
  /** A path below which it shows the server, and what becomes of that path. */
  | { path: string; isKept: boolean }
  /** What stands in place of the shipped locations, with a proxy that signs in at that address. */
  | { locations: string; signsIn: string };

/** A real nginx with the shipped configuration; only ports, addresses and paths are its own. */
export class Nginx {
  /** What it has against its configuration. */
  said = '';

  private constructor(
    readonly url: string,
    private readonly folder: string,
    private readonly child: ChildProcess,
  ) {}

  /** On a free port of the loopback address. */
  static start(app: App): Promise<Nginx> {
    return onFreePort((port) => Nginx.before(app, port));
  }

  /** The same, where the application must know its address before. */
  static startWith(
    startApp: (url: string) => Promise<RunningServer>,
    shown?: Shown,
  ): Promise<{ app: RunningServer; nginx: Nginx }> {
    return onFreePort(async (port) => {
      const app = await startApp(`http://127.0.0.1:${port}`);
      try {
        return { app, nginx: await Nginx.before(app, port, shown) };
      } catch (error) {
        await app.close();
        throw error;
      }
    });
  }

  private static before(app: App, port: number, shown?: Shown): Promise<Nginx> {
    const path = shown !== undefined && 'path' in shown ? shown.path : '';
    return Nginx.run('nginx.conf', port, path, {
      ...changesOf(shown),
      '127.0.0.1:3000': new URL(app.url).host,
      '127.0.0.1:4321': new URL(app.socketUrl).host,
    });
  }

  /** Before two nodes, whose `NODE_ID` is `n1` and `n2`. */
  static startCluster([one, two]: readonly [App, App]): Promise<Nginx> {
    const changes = {
      'node1:3000': new URL(one.url).host,
      'node1:4321': new URL(one.socketUrl).host,
      'node2:3000': new URL(two.url).host,
      'node2:4321': new URL(two.socketUrl).host,
    };
    return onFreePort((port) => Nginx.run('nginx.cluster.conf', port, '', changes));
  }

  /**
   * @param changes what of the shipped text is replaced, and by what
   * @throws Error with the code `EADDRINUSE` where somebody else listens on that port
   */
  private static async run(
    name: string,
    port: number,
    path: string,
    changes: Readonly<Record<string, string>>,
  ): Promise<Nginx> {
    const folder = await mkdtemp(join(tmpdir(), 'llm-cast-nginx-'));
    // As root nginx's workers are somebody else.
    await chmod(folder, 0o755);
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    const shipped = await readFile(join(import.meta.dirname, `../../deploy/${name}`), 'utf8');
    const adapted = Object.entries({
      ...changes,
      'listen 80;': `listen 127.0.0.1:${port};`,
      '/run/nginx.pid': join(folder, 'pid'),
      '/var/log/nginx/': `${folder}/`,
      'http {': ['http {', ...temporary.map((name) => `${name}_temp_path ${folder}/${name};`)].join(
        '\n',
      ),
    }).reduce((text, [from, to]) => {
      if (!text.includes(from)) throw new Error(`deploy/${name} has no ${from}`);
      return text.replaceAll(from, to);
    }, shipped);
    const file = join(folder, 'nginx.conf');
    await writeFile(file, adapted);

    const args = [BINARY ?? 'nginx', '-c', file, '-e', 'stderr', '-g', 'daemon off;'];
    const child = spawn('sh', ['-c', `${FEW_FILES}; exec "$0" "$@"`, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const nginx = new Nginx(`http://127.0.0.1:${port}${path}`, folder, child);
    child.stderr.setEncoding('utf8').on('data', (text: string) => (nginx.said += text));
    try {
      await nginx.answers();
    } catch (error) {
      await nginx.close();
      const isTaken = nginx.said.includes('Address already in use');
      throw Object.assign(new Error(`nginx did not start: ${nginx.said}`, { cause: error }), {
        code: isTaken ? 'EADDRINUSE' : undefined,
      });
    }
    return nginx;
  }

  async close(): Promise<void> {
    if (this.child.exitCode === null) {
      this.child.kill();
      await once(this.child, 'exit');
    }
    await rm(this.folder, { recursive: true });
  }

  /** Its file `pid` tells that it listens itself; another server may answer on a port that it did not get. */
  private answers(): Promise<void> {
    return until(async () => {
      if (this.child.exitCode !== null) throw new Error(`nginx ended with ${this.child.exitCode}`);
      if (!existsSync(join(this.folder, 'pid'))) return false;
      const answer = await fetch(`${this.url}/health/live`).catch(() => undefined);
      return answer?.ok === true;
    });
  }
}

function changesOf(shown: Shown | undefined): Readonly<Record<string, string>> {
  if (shown === undefined) return {};
  if ('locations' in shown) {
    return { [LOCATIONS]: `${shown.locations}\n}\n}\n`, '127.0.0.1:4180': shown.signsIn };
  }
  const { path, isKept } = shown;
  return {
    'location /socket.io/ {': `location ${path}/socket.io/ {`,
    'http://llm_cast_socket;': `http://llm_cast_socket${isKept ? '' : '/socket.io/'};`,
    'location / {': `location ${path}/ {`,
    'http://llm_cast_rest;': `http://llm_cast_rest${isKept ? '' : '/'};`,
  };
}
