import { execFile } from 'node:child_process';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const { STRANGERS_PYTHON } = process.env;

/** What `describeIf` asks for. `.ci/run` brings it. */
export const STRANGERS = [
  STRANGERS_PYTHON !== undefined,
  'clients that nobody here wrote are not tested, as STRANGERS_PYTHON (a Python with test/strangers/requirements.txt) is not set',
] as const;

/** Runs a program of this folder. @returns what it printed */
export const python = (file: string, ...args: string[]): Promise<string> =>
  run(STRANGERS_PYTHON ?? '', join(import.meta.dirname, file), ...args);

/** Runs a command of the Python environment. */
export const tool = (name: string, ...args: string[]): Promise<string> =>
  run(join(dirname(STRANGERS_PYTHON ?? ''), name), ...args);

/** Runs a program. @returns what it printed */
export async function run(program: string, ...args: string[]): Promise<string> {
  const options = {
    // schemathesis leaves a folder where it runs.
    cwd: tmpdir(),
    // A slow machine needs most of it; a hang is found by the time that a test has.
    timeout: 280_000,
    maxBuffer: 64 * 1_048_576,
    // Tools look for tools of their own, and requests for a proxy at every call.
    env: {
      ...process.env,
      NO_PROXY: '127.0.0.1',
      PATH: `${dirname(STRANGERS_PYTHON ?? '')}:${process.env['PATH']}`,
    },
  };
  try {
    return (await promisify(execFile)(program, args, options)).stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(
      `${program} ${args.join(' ')}\n${stdout.slice(-8_000)}\n${stderr.slice(-8_000)}`,
      {
        cause: error,
      },
    );
  }
}

/** A line that delays what goes through it by half of a round trip, each way. */
export class FarAway {
  private readonly sockets = new Set<Socket>();

  private constructor(
    readonly url: string,
    private readonly close_: () => void,
  ) {}

  static async start(target: string, roundTripMs: number): Promise<FarAway> {
    const { hostname, port } = new URL(target);
    const server = createServer((near) => {
      const far = connect(Number(port), hostname);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        line.sockets.add(from);
        from.on('data', (piece) =>
          setTimeout(() => to.writable && to.write(piece), roundTripMs / 2),
        );
        from.on('close', () => setTimeout(() => to.end(), roundTripMs / 2));
        from.on('error', () => undefined);
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const line = new FarAway(url, () => server.close());
    return line;
  }

  close(): void {
    this.close_();
    for (const socket of this.sockets) socket.destroy();
  }
}
