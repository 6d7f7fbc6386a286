import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningServer } from '../../src/server.js';
import { programInPath } from './needs.js';
import { until } from './until.js';

const BINARY = programInPath('nginx');

/** What `describeIf` asks for. */
export const NGINX = [
  BINARY !== undefined,
  'deploy/nginx*.conf is not tested, as PATH has no nginx (apt-get install nginx-light)',
] as const;

/** From the first location of `deploy/nginx.conf` to its end. */
const [LOCATIONS = ''] =
  / *# Socket\.IO: websocket and polling\.[^]*$/.exec(
    readFileSync(join(import.meta.dirname, '../../deploy/nginx.conf'), 'utf8'),
  ) ?? [];

/** A real nginx with the shipped configuration; only ports, addresses and paths are its own. */
export class Nginx {
  private constructor(
    readonly url: string,
    private readonly folder: string,
    private readonly child: ChildProcess,
  ) {}

  /**
   * @param port to listen on, on the loopback address
   * @param below a path below which it shows the server, and what becomes of that path
   */
  static start(
    app: Pick<RunningServer, 'url' | 'socketUrl'>,
    port: number,
    below?: { path: string; isKept: boolean },
  ): Promise<Nginx> {
    return Nginx.run('nginx.conf', port, below?.path ?? '', {
      ...(below !== undefined && {
        'location /socket.io/ {': `location ${below.path}/socket.io/ {`,
        'http://llm_cast_socket;': `http://llm_cast_socket${below.isKept ? '' : '/socket.io/'};`,
        'location / {': `location ${below.path}/ {`,
        'http://llm_cast_rest;': `http://llm_cast_rest${below.isKept ? '' : '/'};`,
      }),
      '127.0.0.1:3000': new URL(app.url).host,
      '127.0.0.1:4321': new URL(app.socketUrl).host,
    });
  }

  /**
   * Behind a proxy that signs in.
   * @param locations what stands in place of those of the shipped configuration
   * @param signsIn address of that proxy
   */
  static startSigningIn(
    app: Pick<RunningServer, 'url' | 'socketUrl'>,
    port: number,
    locations: string,
    signsIn: string,
  ): Promise<Nginx> {
    return Nginx.run('nginx.conf', port, '', {
      [LOCATIONS]: `${locations}\n}\n}\n`,
      '127.0.0.1:3000': new URL(app.url).host,
      '127.0.0.1:4321': new URL(app.socketUrl).host,
      '127.0.0.1:4180': signsIn,
    });
  }

  /** Before two nodes, whose `NODE_ID` is `n1` and `n2`. */
  static startCluster(
    [one, two]: readonly [
      Pick<RunningServer, 'url' | 'socketUrl'>,
      Pick<RunningServer, 'url' | 'socketUrl'>,
    ],
    port: number,
  ): Promise<Nginx> {
    return Nginx.run('nginx.cluster.conf', port, '', {
      'node1:3000': new URL(one.url).host,
      'node1:4321': new URL(one.socketUrl).host,
      'node2:3000': new URL(two.url).host,
      'node2:4321': new URL(two.socketUrl).host,
    });
  }

  /** @param changes what of the shipped text is replaced, and by what */
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

    const child = spawn(BINARY ?? 'nginx', ['-c', file, '-e', 'stderr', '-g', 'daemon off;'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const nginx = new Nginx(`http://127.0.0.1:${port}${path}`, folder, child);
    try {
      await nginx.answers();
    } catch (error) {
      await nginx.close();
      throw error;
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

  private answers(): Promise<void> {
    return until(async () => {
      const answer = await fetch(`${this.url}/health/live`).catch(() => undefined);
      return answer?.ok === true;
    });
  }
}
