import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterServer, ClusterStage } from './cluster-stage.js';
import type { Fleet } from './fleet.js';

/** Longest pause between two faults, in milliseconds. */
const PAUSE_MS = 3_000;
/** How long nothing happens after Redis was away: the nodes may take so long until it has all again. */
const CAUGHT_UP_MS = 3_000;
/** Longest time for which something stands still, in milliseconds: longer and shorter than a lease. */
const STILL_MS = 3_000;
/** Longest time until a node that was killed has a successor, in milliseconds. */
const ABSENT_MS = 1_500;

/** A fault that was made, by the monotonic clock, in milliseconds. */
export interface Fault {
  readonly kind: FaultKind;
  /** Id of the node that it befell; undefined where it was Redis. */
  readonly node: string | undefined;
  readonly from: number;
  to: number;
}

/** What may happen; those that stand here twice happen twice as often. */
const KINDS = [
  'node killed',
  'node killed',
  'node stopped and continued',
  'node told to go',
  'Redis killed',
  'Redis stopped and continued',
  'connections to Redis cut',
] as const;
export type FaultKind = (typeof KINDS)[number];

/** Makes one fault after the other in a cluster of which at least two nodes are well, until it is stopped. */
export class Chaos {
  readonly faults: Fault[] = [];
  /** What went wrong in making them. */
  readonly problems: string[] = [];
  private readonly stopping = new AbortController();
  private readonly going: Promise<void>;

  constructor(
    private readonly stage: ClusterStage,
    private readonly fleet: Fleet,
  ) {
    this.going = this.goOn();
  }

  /** Makes no more faults. Resolves when everything is well again. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.going;
  }

  private async goOn(): Promise<void> {
    // Each kind in turn, in an order that is another one in each round.
    for (let round: FaultKind[] = []; !this.stopping.signal.aborted;) {
      if (round.length === 0) round = shuffled(KINDS);
      const kind = round.pop() as FaultKind;
      await this.make(kind).catch((error: unknown) =>
        this.problems.push(`${kind}: ${String(error)}`),
      );
      const restMs = kind.includes('Redis') ? CAUGHT_UP_MS : 0;
      const { signal } = this.stopping;
      await sleep(restMs + Math.random() * PAUSE_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  private async make(kind: FaultKind): Promise<void> {
    const isOfNode = kind.startsWith('node');
    const node = this.fleet.well[Math.floor(Math.random() * this.fleet.well.length)]!;
    const from = performance.now();
    const fault: Fault = {
      kind,
      node: isOfNode ? this.fleet.idOf(node) : undefined,
      from,
      to: Infinity,
    };
    this.faults.push(fault);
    await this.happen(kind, node);
    fault.to = performance.now();
  }

  private async happen(kind: FaultKind, node: ClusterServer): Promise<void> {
    const { fleet } = this;
    const { redis } = this.stage;
    switch (kind) {
      case 'node killed':
        fleet.leave(node);
        await node.program.kill();
        await sleep(Math.random() * ABSENT_MS);
        await fleet.add();
        break;
      case 'node stopped and continued':
        fleet.leave(node);
        node.program.child.kill('SIGSTOP');
        await sleep(Math.random() * STILL_MS);
        node.program.child.kill('SIGCONT');
        fleet.comeBack(node);
        break;
      case 'node told to go':
        await fleet.replace(node);
        break;
      case 'Redis killed':
        await redis.kill();
        await sleep(Math.random() * STILL_MS);
        await redis.up();
        break;
      case 'Redis stopped and continued':
        redis.signal('SIGSTOP');
        await sleep(Math.random() * STILL_MS);
        redis.signal('SIGCONT');
        break;
      case 'connections to Redis cut':
        for (const type of ['normal', 'pubsub']) {
          await redis.ask((client) => client.call('CLIENT', 'KILL', 'TYPE', type));
        }
    }
  }
}

function shuffled<Thing>(things: readonly Thing[]): Thing[] {
  return things
    .map((thing) => [Math.random(), thing] as const)
    .toSorted(([one], [other]) => one - other)
    .map(([, thing]) => thing);
}
