import type { RunningServer } from '../../src/server.js';
import { startApp } from './app.js';
import { OracleClient } from './oracle-client.js';
import { Oracle } from './oracle.js';
import { Program } from './program.js';
import { RedisServer } from './redis-server.js';
import { ScriptedUpstream, type UpstreamCall } from './scripted-upstream.js';
import { call } from './rest.js';
import { until } from './until.js';

/** Lease of the nodes, in milliseconds. */
export const LEASE_MS = 1_500;
/** Time between two pieces of an answer, in milliseconds. */
const PIECE_MS = 50;
/** Least length of a piece, in characters. */
const PIECE_CHARS = 10;

/** Where a node is reached. */
export type ClusterNode = Pick<RunningServer, 'url' | 'socketUrl'>;

/** A built server in a process of its own. */
export interface ClusterServer extends ClusterNode {
  readonly program: Program;
}

/** One answer that goes on: what its upstream sends, and what everybody makes of it. */
export interface RunningAnswer {
  readonly id: string;
  readonly oracle: Oracle;
  request: UpstreamCall;
  chars: number;
}

/** Settings of a node. */
export type Env = Record<string, string | number>;

/** So many nodes know each other; and their line, which is new, opens when they have told what they hold. */
export async function untilReady(redis: RedisServer, nodes: number): Promise<void> {
  await redis.until(async (client) => (await client.hlen('lc:nodes')) === nodes);
  await redis.until(
    async (client) => Number(await client.hget('lc:{line}:c', 'opens')) < Date.now(),
  );
}

/** A Redis, an upstream, and nodes, of which those in a process of their own can be killed. */
export class ClusterStage {
  readonly nodes: ClusterServer[] = [];
  private readonly inside: RunningServer[] = [];
  readonly answers: RunningAnswer[] = [];
  private readonly clients: OracleClient[] = [];
  private readonly timers = new Map<RunningAnswer, NodeJS.Timeout>();

  private constructor(
    readonly redis: RedisServer,
    readonly upstream: ScriptedUpstream,
    private readonly env: Env,
  ) {}

  /** @param program of Redis or Valkey @param env of all nodes */
  static async open(
    program: string,
    { redis = [], env = {} }: { redis?: readonly string[]; env?: Env } = {},
  ): Promise<ClusterStage> {
    const server = await RedisServer.start(program, ...redis);
    return new ClusterStage(server, await ScriptedUpstream.start(), env);
  }

  /** Starts so many nodes, and waits until they know each other and their line is open. */
  async start(count: number, env: Env = {}): Promise<ClusterServer[]> {
    const nodes = await Promise.all(Array.from({ length: count }, () => this.node(env)));
    await this.ready();
    return nodes;
  }

  /** All nodes know each other, and their line is open. */
  async ready(): Promise<void> {
    const all = [...this.nodes, ...this.inside];
    await untilReady(this.redis, all.length);
    // A node that goes before it has heard the others goes alone.
    for (const { url } of all) {
      await until(
        async () => (await call('GET', `${url}/llm/cluster`)).body.nodes.length === all.length,
      );
    }
  }

  /** The id by which a node is known to the others. */
  async nodeIdOf({ url }: ClusterNode): Promise<string> {
    return (await call('GET', `${url}/llm/cluster`)).body.node as string;
  }

  async node(env: Env = {}): Promise<ClusterServer> {
    const program = Program.server(this.envOf(env));
    const node = { program, ...(await program.listening()) };
    this.nodes.push(node);
    return node;
  }

  /** One that nobody kills: it is within this process, where a start costs a tenth. */
  async nodeInside(env: Env = {}): Promise<RunningServer> {
    const server = await startApp(this.envOf(env));
    let closing: Promise<void> | undefined;
    const node = { ...server, close: () => (closing ??= server.close()) };
    this.inside.push(node);
    return node;
  }

  async connect({ socketUrl }: Pick<ClusterNode, 'socketUrl'>): Promise<OracleClient> {
    const client = await OracleClient.connect(socketUrl);
    this.clients.push(client);
    return client;
  }

  /** So many answers of one client; their upstream is silent until {@link write}. */
  async ask(client: OracleClient, count: number): Promise<RunningAnswer[]> {
    const asked: RunningAnswer[] = [];
    for (let at = 0; at < count; at++) {
      const oracle = new Oracle();
      const id = await client.ask(oracle.reader('who asked'), `${at}`);
      asked.push({ id, oracle, request: await this.upstream.nextCall(), chars: 0 });
    }
    this.answers.push(...asked);
    return asked;
  }

  /** So many answers that are written now, each read by the client that asked and by another one. */
  async run(here: OracleClient, there: OracleClient, count: number): Promise<RunningAnswer[]> {
    const asked = await this.ask(here, count);
    for (const { id, oracle } of asked) await there.read(id, oracle.reader('who joined'));
    for (const answer of asked) this.write(answer);
    return asked;
  }

  /** The upstream sends a piece every few milliseconds from now on. */
  write(answer: RunningAnswer): void {
    const timer = setInterval(() => {
      if (!answer.request.isOpen) return;
      const piece = `${answer.chars} `.padStart(PIECE_CHARS, '.');
      answer.chars += piece.length;
      answer.oracle.sent('text', piece);
      answer.request.text(piece);
    }, PIECE_MS);
    this.timers.set(answer, timer);
  }

  /** The upstreams of all answers have sent so many characters more. */
  async untilWritten(chars: number): Promise<void> {
    const before = this.answers.map((answer) => answer.chars);
    await until(() => this.answers.every((answer, at) => answer.chars >= before[at]! + chars));
  }

  /** The upstream says no more for now. */
  rest(answers: readonly RunningAnswer[]): void {
    for (const answer of answers) clearInterval(this.timers.get(answer));
  }

  /** The upstream says its last word. */
  finish(answers: readonly RunningAnswer[]): void {
    this.rest(answers);
    for (const { request } of answers) request.done();
  }

  /** What is wrong with what everybody was told, and with how. */
  problems(): string[] {
    return [
      ...this.answers.flatMap(({ oracle }, at) => oracle.problems().map((one) => `${at}: ${one}`)),
      ...this.clients.flatMap(({ refusals }) => refusals.map(({ code }) => `refused: ${code}`)),
    ];
  }

  async close(): Promise<void> {
    for (const timer of this.timers.values()) clearInterval(timer);
    for (const client of this.clients) client.close();
    await Promise.all([
      ...this.nodes.map(({ program }) => program.kill()),
      ...this.inside.map((node) => node.close()),
    ]);
    await this.redis.close();
    await this.upstream.close();
  }

  private envOf(env: Env): Env {
    return {
      OLLAMA_BASE_URL: this.upstream.url,
      REDIS_URL: this.redis.url,
      NODE_LEASE_MS: LEASE_MS,
      MAX_CONCURRENT: 64,
      ...this.env,
      ...env,
    };
  }
}
