import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { Program } from './support/program.js';
import { until } from './support/until.js';

/** As many as come back at once after a cut; Node.js itself lets 511 wait. */
const CLIENTS = 1_500;

describe('clients that all connect while the server is busy', () => {
  let server: Program;
  const sockets: Socket[] = [];

  beforeAll(async () => {
    server = Program.server({ OLLAMA_BASE_URL: 'http://127.0.0.1:1' });
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await server.kill();
  });

  it.each(['url', 'socketUrl'] as const)('wait for it, at %s, and are served', async (name) => {
    // What the kernel lets wait is the operator's.
    const most = Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'));
    const addresses = await server.listening();
    const { hostname, port, origin } = new URL(addresses[name]);
    expect((await fetch(`${origin}/llm/models`)).status).toBeLessThan(600);
    const all = Math.min(CLIENTS, most);
    server.child.kill('SIGSTOP');
    let connected = 0;
    let answered = 0;
    for (let n = 0; n < all; n++) {
      const socket = connect({ host: hostname, port: Number(port) }, () => connected++);
      socket.on('error', () => undefined).once('data', () => answered++);
      socket.write('GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
      sockets.push(socket);
    }
    await until(() => connected === all);
    server.child.kill('SIGCONT');
    await until(() => answered === all);
  });
});
