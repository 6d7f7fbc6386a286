import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { ClusterServer, ClusterStage } from './cluster-stage.js';

type Env = Record<string, string | number>;

/** Nodes behind a balancer that sends each new connection to one of those that are well. */
export class Fleet {
  /** Where the balancer sends new connections. */
  readonly well: ClusterServer[] = [];
  /** When each node was told to go, by its id and the monotonic clock, in milliseconds. */
  readonly toldToGoAt = new Map<string, number>();
  private readonly ids = new Map<ClusterServer, string>();
  private readonly connections = new Set<Socket>();

  private constructor(
    private readonly stage: ClusterStage,
    private readonly env: Env,
    private readonly balancer: Server,
  ) {
    balancer.on('connection', (client) => this.pass(client));
  }

  /** @param port of the balancer; any, if it is not given */
  static async start(stage: ClusterStage, count: number, env: Env = {}, port = 0): Promise<Fleet> {
    const balancer = createServer().listen(port, '127.0.0.1');
    await once(balancer, 'listening');
    const fleet = new Fleet(stage, env, balancer);
    await Promise.all(Array.from({ length: count }, () => fleet.add()));
    await stage.ready();
    return fleet;
  }

  /** Of the balancer, for Socket.IO. */
  get socketUrl(): string {
    return `http://127.0.0.1:${(this.balancer.address() as AddressInfo).port}`;
  }

  /** One more node. */
  async add(): Promise<ClusterServer> {
    const node = await this.stage.node(this.env);
    this.ids.set(node, await this.stage.nodeIdOf(node));
    this.well.push(node);
    return node;
  }

  /** The id by which the other nodes know it. */
  idOf(node: ClusterServer): string {
    return this.ids.get(node) ?? '';
  }

  /** No new connection goes to this node any more; those that are open stay. */
  leave(node: ClusterServer): void {
    this.well.splice(this.well.indexOf(node), 1);
  }

  /** New connections go to this node again. */
  comeBack(node: ClusterServer): void {
    this.well.push(node);
  }

  /**
   * A node is told to go when its successor is there.
   * @throws Error where it does not end as it should
   */
  async replace(node: ClusterServer): Promise<void> {
    await this.add();
    this.leave(node);
    node.program.child.kill('SIGTERM');
    this.toldToGoAt.set(this.idOf(node), performance.now());
    const code = await node.program.exited;
    if (code !== 0) throw new Error(`it ended with ${code}: ${node.program.stderr.slice(-500)}`);
  }

  /** All connections are lost. */
  cut(): void {
    for (const socket of this.connections) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.balancer.close(resolve));
  }

  private pass(client: Socket): void {
    const node = this.well[Math.floor(Math.random() * this.well.length)];
    if (node === undefined) return void client.destroy();
    const target = connect(Number(new URL(node.socketUrl).port), '127.0.0.1');
    for (const [one, other] of [
      [client, target],
      [target, client],
    ] as const) {
      this.connections.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        this.connections.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}
