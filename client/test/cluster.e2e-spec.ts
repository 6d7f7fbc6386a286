import { once } from 'node:events';
import {
  type AddressInfo,
  connect as dial,
  createServer,
  type Server,
  type Socket,
} from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ClusterStage, type ClusterServer } from '../../test/support/cluster-stage.js';
import { describeIf } from '../../test/support/needs.js';
import { ENGINES } from '../../test/support/redis-server.js';
import { until } from '../../test/support/until.js';
import { type Cast, connect } from '../src/index.js';

const engine = ENGINES.find(({ program }) => program !== undefined);

describeIf(
  engine !== undefined,
  'the client before several nodes is not tested: there is no Redis',
)('the client before several nodes', () => {
  let stage: ClusterStage;
  let nodes: ClusterServer[];
  let balancer: Balancer;
  let cast: Cast;

  beforeEach(async () => {
    stage = await ClusterStage.open(engine?.program ?? '', { env: { DRAIN_MS: 200 } });
    nodes = await stage.start(2);
    balancer = await Balancer.start(nodes);
    cast = connect(balancer.url, { restUrl: nodes[0]!.url });
  });
  afterEach(async () => {
    cast?.close();
    await balancer?.close();
    await stage?.close();
  });

  it('goes on at another node where its own one goes before it has said anything', async () => {
    const answer = cast.generate({ prompt: 'why is the sky blue?' });
    const first = await stage.upstream.nextCall();
    const [own] = nodes;
    own?.program.child.kill('SIGTERM');
    await own?.program.exited;
    expect(first.isOpen).toBe(false);
    const again = await stage.upstream.nextCall();
    again.text('It ').text('scatters.').done();
    expect(await answer.result).toMatchObject({ state: 'completed', verified: true });
    expect(answer.view.text).toBe('It scatters.');
    // The next question goes to the node that is left.
    const next = cast.generate({ prompt: 'and green?' });
    (await stage.upstream.nextCall()).text('It does not.').done();
    expect(await next.result).toMatchObject({ state: 'completed' });
    expect(next.view.text).toBe('It does not.');
  });

  it('shows what was kept of an answer whose node was killed, and that it is not whole', async () => {
    const answer = cast.generate({ prompt: 'why is the sky blue?' });
    const request = (await stage.upstream.nextCall()).text('It ');
    await until(() => answer.view.text === 'It ');
    request.text('scat');
    await until(() => answer.view.text === 'It scat');
    await nodes[0]?.program.kill();
    expect(await answer.result).toMatchObject({
      state: 'interrupted',
      code: 'node_lost',
      verified: true,
    });
    expect('It scat'.startsWith(answer.view.text)).toBe(true);
  });

  it('reads and cancels an answer of another node once Redis can be asked again', async () => {
    const answer = cast.generate({ prompt: 'why is the sky blue?' });
    (await stage.upstream.nextCall()).text('It ');
    await until(() => answer.view.text === 'It ');
    const reader = connect(nodes[1]!.socketUrl);
    const stopper = connect(nodes[1]!.socketUrl);
    try {
      reader.open();
      stopper.open();
      await until(() => reader.connected && stopper.connected);
      stage.redis.signal('SIGSTOP');
      const joined = reader.join(answer.generationId!);
      const cancelled = stopper.cancel(answer.generationId!);
      const refused = Promise.race([joined.result, cancelled]).catch((error: unknown) => error);
      // Longer than a node waits for Redis.
      expect(await Promise.race([refused, sleep(5_000)])).toBeUndefined();
      stage.redis.signal('SIGCONT');
      expect(await cancelled).toMatchObject({ state: 'cancelled' });
      expect(await joined.result).toMatchObject({ state: 'cancelled', verified: true });
      expect(joined.text).toBe('It ');
    } finally {
      stage.redis.signal('SIGCONT');
      reader.close();
      stopper.close();
    }
  });
});

/** Sends each connection to the first node that takes it, as a balancer does that looks who is there. */
class Balancer {
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  static async start(nodes: readonly ClusterServer[]): Promise<Balancer> {
    const ports = nodes.map(({ socketUrl }) => Number(new URL(socketUrl).port));
    const server = createServer();
    const balancer = new Balancer(server);
    server.on('connection', (client) => balancer.pass(client, ports));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return balancer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private pass(client: Socket, [port, ...others]: readonly number[]): void {
    this.sockets.add(client);
    client.on('error', () => undefined);
    if (port === undefined) return void client.destroy();
    const target = dial(port, '127.0.0.1');
    this.sockets.add(target);
    target.once('connect', () => {
      client.pipe(target).pipe(client);
      client.once('close', () => target.destroy());
      target.once('close', () => client.destroy());
    });
    target.once('error', () => {
      if (target.connecting || target.bytesRead === 0) this.pass(client, others);
    });
  }
}
