import type { ClusterView } from '../protocol/cluster-view.js';
import type { Life } from './lifecycle.js';

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
   * Asks whether this node still runs a generation, where another one may have taken it over: this node
   * may have stood still, or may have been cut off.
   * @param begins its first entry is about to be shown: from now on no other node may begin anew
   * @returns resolves when that is known, or cannot be known; undefined where there is no doubt
   */
  abstract confirm(id: string, begins: boolean): Promise<void> | undefined;

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

  handOver(): Promise<false> {
    return Promise.resolve(false);
  }

  onOrphan(): void {}

  on(): void {}
}
