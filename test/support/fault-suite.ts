import type { RunningServer } from '../../src/server.js';
import {
  type ClusterNode,
  type ClusterServer,
  ClusterStage,
  type Env,
  type RunningAnswer,
} from './cluster-stage.js';
import { describeIf } from './needs.js';
import type { OracleClient } from './oracle-client.js';
import { FAULT_ENGINE } from './redis-server.js';
import { call } from './rest.js';
import { until } from './until.js';

/** How often each fault is made; `npm run soak` says 20. */
const TIMES = Number(process.env['SOAK_TIMES'] ?? 1);
const GENERATIONS = 4;

interface Options {
  redis?: readonly string[];
  env?: Env;
}

/** Two nodes, with answers of the first one that are written now and read on both. */
export interface Running<Node extends ClusterNode = ClusterNode> {
  readonly stage: ClusterStage;
  readonly a: Node;
  readonly b: ClusterNode;
  readonly here: OracleClient;
  readonly there: OracleClient;
  readonly all: RunningAnswer[];
}

/** What each test of faults is given. */
export interface FaultTools {
  /** Of Redis or Valkey. */
  readonly program: string;
  /** A fault, as often as it is asked for. */
  often: (what: string, test: () => Promise<void>) => void;
  /** A stage that is closed after the test; no node runs yet. */
  stage: (options?: Options) => Promise<ClusterStage>;
  /** Closed after the test. */
  closeLater: <Thing extends { close(): Promise<void> }>(thing: Thing) => Thing;
  /** Both nodes are in this process, as something happens to their Redis only. */
  running: (options?: Options, count?: number) => Promise<Running<RunningServer>>;
  /** The first node can be killed. */
  doomed: (options?: Options, count?: number) => Promise<Running<ClusterServer>>;
}

/** Makes faults on one engine ({@link FAULT_ENGINE}). */
export function faultSuite(title: string, define: (tools: FaultTools) => void): void {
  const { name, program = '', missing } = FAULT_ENGINE;
  describeIf(program !== '', missing)(`${title}, on ${name}`, () => {
    const open: { close(): Promise<void> }[] = [];
    afterEach(async () => {
      for (const thing of open.splice(0)) await thing.close();
    });
    const closeLater: FaultTools['closeLater'] = (thing) => {
      open.push(thing);
      return thing;
    };
    const stage = async (options: Options = {}): Promise<ClusterStage> =>
      closeLater(await ClusterStage.open(program, options));
    define({
      program,
      stage,
      closeLater,
      often: (what, test) => {
        for (let time = 1; time <= TIMES; time++) {
          it(TIMES > 1 ? `${what} (${time})` : what, test);
        }
      },
      running: async (options = {}, count = GENERATIONS) => {
        const on = await stage(options);
        const [a, b] = await Promise.all([on.nodeInside(), on.nodeInside()]);
        await on.ready();
        return readOnBoth(on, a, b, count);
      },
      doomed: async (options = {}, count = GENERATIONS) => {
        const on = await stage(options);
        const [a, b] = await Promise.all([on.node(), on.nodeInside()]);
        await on.ready();
        return readOnBoth(on, a, b, count);
      },
    });
  });
}

/** Answers of the first node that are written now, and of which everybody has something already. */
export async function readOnBoth<Node extends ClusterNode>(
  stage: ClusterStage,
  a: Node,
  b: ClusterNode,
  count = GENERATIONS,
): Promise<Running<Node>> {
  const [here, there] = [await stage.connect(a), await stage.connect(b)];
  const all = await stage.run(here, there, count);
  await until(() => all.every(({ oracle }) => oracle.read > 100));
  return { stage, a, b, here, there, all };
}

/** Everything goes on and is whole in the end, for everybody, and on both nodes. */
export async function expectWhole({ stage, a, b, all, here, there }: Running): Promise<void> {
  stage.finish(all);
  for (const { id } of all) {
    expect(await here.ended(id)).toMatchObject({ state: 'completed' });
    expect(await there.ended(id)).toMatchObject({ state: 'completed' });
  }
  expect(stage.problems()).toEqual([]);
  const [first] = all;
  for (const { url } of [a, b]) {
    await until(async () => {
      const { body } = await call('GET', `${url}/llm/generations/${first?.id}`);
      return body.state === 'completed' && body.text.length === first?.chars;
    });
  }
}

/** A client is told that the node of these was lost. */
export async function expectLost(
  client: OracleClient,
  all: readonly RunningAnswer[],
): Promise<void> {
  const ends = await Promise.all(all.map(({ id }) => client.ended(id)));
  for (const end of ends) {
    expect(end).toMatchObject({ state: 'interrupted', code: 'node_lost', retryable: false });
  }
}

/** A node knows what was kept of them, and their end. */
export async function expectKept(
  { url }: ClusterNode,
  all: readonly RunningAnswer[],
): Promise<void> {
  for (const { id, oracle } of all) {
    const { body } = await call('GET', `${url}/llm/generations/${id}`);
    expect(body).toMatchObject({ state: 'interrupted', code: 'node_lost' });
    expect(oracle.text.startsWith(body.text)).toBe(true);
  }
}
