/** Handles what another node asks. What it throws is that node's error. */
export type PeerHandler = (message: unknown) => unknown;

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

  /** Tells all other nodes; none has to hear it. */
  abstract tell(op: string, message: unknown): void;

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

  tell(): void {}

  on(): void {}
}
