import type { ClusterView } from '../protocol/cluster-view.js';
import type { Life } from './lifecycle.js';
import type { EndEntry } from './log/entry.js';

/** Handles what another node asks. What it throws is that node's error. */
export type PeerHandler = (message: unknown) => unknown;

/** What the other nodes have answered, and which of them have not. */
export interface Answers {
  readonly answers: readonly unknown[];
  readonly silent: readonly string[];
}

/** A request that another node has accepted and not begun to answer. */
export type Orphan = Omit<Life, 'trace'>;

/** The other processes that serve the same clients. */
export abstract class Peers {
  /** What this node's ids begin or end with; empty for a process alone. */
  abstract readonly tag: string;

  /** Whether what the nodes share has been out of reach for so long that requests had better go elsewhere. */
  abstract readonly isCutOff: boolean;

  /** The node to which a client with this id is connected; undefined for this one, or none. */
  abstract nodeOf(clientId: string): string | undefined;

  /**
   * Asks another node.
   * @throws CastError what that node refused with; `client_not_found` where it is gone
   */
  abstract ask(node: string, op: string, message: unknown): Promise<unknown>;

  /** Asks all other nodes. */
  abstract askAll(op: string, message: unknown): Promise<Answers>;

  /** Tells all other nodes; none has to hear it. */
  abstract tell(op: string, message: unknown): void;

  /** What operators see of the nodes; undefined for a process alone. */
  abstract view(): Promise<ClusterView> | undefined;

  /** Whether no other node could go on with what this one gives away. */
  abstract readonly isAlone: boolean;

  /**
   * The first entry of a generation is about to be shown: from now on no other node begins anew with it.
   * @returns resolves when all nodes can know that, or another one has taken it over; undefined where
   * there is nothing to ask
   */
  abstract confirm(id: string): Promise<void> | undefined;

  /**
   * Writes the end of a generation where all nodes see it. The first end that is written there is the one
   * that everybody is told: where another node was faster the generation has that one's end by then.
   * @returns resolves when it may be told, and never rejects; undefined for a process alone
   */
  abstract seal(life: Life, end: EndEntry): Promise<void> | undefined;

  /**
   * Gives a request that is not begun to another node; its readers here go on with what that one makes
   * of it.
   * @returns false where no node took it
   */
  abstract handOver(life: Life): Promise<boolean>;

  /**
   * @param adopt goes on with a request that was accepted elsewhere and not begun; it rejects where this
   * node cannot
   */
  abstract onOrphan(adopt: (orphan: Orphan) => Promise<void>): void;

  /** @param handler of what other nodes ask and tell under this name */
  abstract on(op: string, handler: PeerHandler): void;
}

/** A process alone. */
export class NoPeers extends Peers {
  readonly tag = '';
  readonly isCutOff = false;

  nodeOf(): undefined {
    return undefined;
  }

  ask(): Promise<never> {
    return Promise.reject(new Error('there is no other node'));
  }

  askAll(): Promise<Answers> {
    return Promise.resolve({ answers: [], silent: [] });
  }

  tell(): void {}

  readonly isAlone = true;

  view(): undefined {
    return undefined;
  }

  confirm(): undefined {
    return undefined;
  }

  seal(): undefined {
    return undefined;
  }

  handOver(): Promise<false> {
    return Promise.resolve(false);
  }

  onOrphan(): void {}

  on(): void {}
}
