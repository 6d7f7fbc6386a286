import type { StreamState } from '../../protocol/stream-state.js';
import type { Generation } from '../generation.js';
import type { Life, LifecycleListener } from '../lifecycle.js';
import type { KeptMemory } from './kept-generations.js';

/** What an idempotency key stands for. */
export interface Claim {
  key: string;
  /** The owner of the key: keys of different owners never meet. */
  user: string;
  /** What is compared: the request without `clientId`. */
  asked: unknown;
}

/** A name that a client has given a generation. */
export interface Name {
  name: string;
  /** The user who has given it: names of different users never meet. */
  user: string;
}

/**
 * Where generations are found: in the memory of this node, or of all nodes. Held by
 * `generationStoreContract`. It hears of the ends through the lifecycle.
 */
export abstract class GenerationStore implements LifecycleListener {
  /** An id for a new generation. */
  abstract newId(): string;

  /**
   * The id of the generation that a key stands for; undefined for a new key.
   * @throws CastError `idempotency_conflict` for the same key with another request; `store_unavailable`
   */
  abstract keyed(claim: Claim): string | undefined | Promise<string | undefined>;

  /**
   * Makes a key stand for a generation that begins now, unless it stands for another one.
   * @returns the id that it stands for
   * @throws like {@link keyed}
   */
  abstract claim(claim: Claim, id: string): string | Promise<string>;

  /** The generation did not begin: its key is new again. */
  abstract unclaim(id: string): void | Promise<void>;

  /** Nobody waits for the generation any more, which runs here: its key is new again, if that can be. */
  abstract release(id: string): void | Promise<void>;

  /**
   * Resolves when it can be found, from any node.
   * @param name stands for it from now on, and for no earlier one
   * @throws CastError `store_unavailable`
   */
  abstract add(life: Life, name?: Name): void | Promise<void>;

  /**
   * The id of the last generation that was given this name.
   * @throws CastError `generation_not_found`, `store_unavailable`
   */
  abstract named(name: Name): string | Promise<string>;

  /** @throws CastError `generation_not_found`, `store_unavailable` */
  abstract find(id: string): Generation | Promise<Generation>;

  /** What the generations of a user do that have not ended. */
  abstract activeOf(user: string): StreamState[] | Promise<StreamState[]>;

  abstract ended(...args: Parameters<NonNullable<LifecycleListener['ended']>>): void;

  /** The logs of this node take so many bytes more. */
  abstract grow(bytes: number): void;

  /** Whether running generations alone fill the memory of this node. */
  abstract get isFull(): boolean;

  /** What this node holds, its copies of others' generations too. */
  abstract held(): Iterable<Generation>;

  /** What the logs of this node take, and how many ended ones had to go. */
  abstract get memory(): KeptMemory;

  /** How many entries readers, and the copy for other nodes, have not yet been given, in all. */
  abstract get behind(): number;
}
