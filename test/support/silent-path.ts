import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from './free-port.js';

const PROXY = `
  const net = require('node:net');
  const [from, to] = process.argv.slice(1).map(Number);
  net.createServer((client) => {
    const target = net.connect(to, '127.0.0.1');
    client.pipe(target).pipe(client);
    for (const end of [client, target]) end.on('error', () => (client.destroy(), target.destroy()));
  }).listen(from, '127.0.0.1', () => console.log('listening'));
`;

/**
 * A way to a port of this machine that can become a black hole: connections stay, new ones are taken,
 * and nothing passes in either direction until it is healed; then all of it does, late.
 */
export class SilentPath {
  private constructor(
    readonly port: number,
    private readonly child: ChildProcess,
  ) {}

  static async to(target: number): Promise<SilentPath> {
    const port = await freePort();
    const args = ['-e', PROXY, String(port), String(target)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    return new SilentPath(port, child);
  }

  silence(): void {
    this.child.kill('SIGSTOP');
  }

  heal(): void {
    this.child.kill('SIGCONT');
  }

  async close(): Promise<void> {
    const exit = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exit;
  }
}
