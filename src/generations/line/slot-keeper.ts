import type { Upstream } from '../../cast/upstream.js';
import type { Config } from '../../config/config.js';
import type { QueueView } from '../../protocol/answers.js';

/** One that a request counts for besides its user, with limits of its own; 0 or undefined = none. */
export interface LineAccount {
  readonly name: string;
  readonly running: number | undefined;
  readonly waiting: number | undefined;
}

/** A request that wants a slot of an upstream. */
export interface Ticket {
  /** Unique among all tickets of all nodes: the id of its generation. */
  readonly id: string;
  /** The user whose turn it takes. */
  readonly user: string;
  /** The accounts that it counts for too: the principal, its key, its tenant. */
  readonly accounts?: readonly LineAccount[];
  /** Upstreams that can serve it now; they need not be free. */
  candidates(): readonly Upstream[];
  /** Whether this upstream would answer sooner than another one that is free too. */
  prefers(upstream: Upstream): boolean;
  /**
   * How much sooner each upstream would answer, as it knows the beginning of the request, in
   * milliseconds; undefined where none does. Must not change while it waits.
   */
  readonly savings?: ReadonlyMap<Upstream, number> | undefined;
  /** How long one like it holds a slot, in milliseconds; undefined where that is not known. */
  readonly turnMs?: number | undefined;
  /** It has a slot of this upstream, until it is released. */
  start(upstream: Upstream): void;
  /** Its position in the line changed; 1 is next. */
  moved(position: number): void;
}

/** Bounds of the line. */
export interface LineLimits {
  /** Most waiting requests in all. */
  maxQueue: number;
  /** Most requests of one user that run at one time; 0 = no limit. */
  maxConcurrentPerUser: number;
  /** Most requests of one user that wait at one time; 0 = no limit. */
  maxQueuePerUser: number;
}

/**
 * Gives the slots of the upstreams to requests, and keeps the line before them. Its policy is stated in
 * docs/architecture.md, "The waiting line", and held by `slotKeeperContract`.
 *
 * A keeper may call `start` and `moved` of a ticket before `enter` returns.
 */
export abstract class SlotKeeper {
  /**
   * Starts the ticket where a slot is free, or puts it in line.
   * @returns its position, 1 is next; 0 when it was started
   * @throws CastError `queue_full`, `rate_limited`; where the line is kept elsewhere `store_unavailable`
   */
  abstract enter(ticket: Ticket): number | Promise<number>;
  /** Puts a ticket that had its turn, and lost its upstream, before everybody else; never refuses it. */
  abstract reenter(ticket: Ticket): void | Promise<void>;
  /** Takes a ticket out of the line; nothing if it does not wait. */
  abstract leave(ticket: Ticket): void | Promise<void>;
  /** Gives back the slot of a ticket; nothing if it has none. */
  abstract release(ticket: Ticket): void | Promise<void>;
  /** Asks all waiting tickets anew for their candidates: an upstream has come, gone or changed. */
  abstract dispatch(): void | Promise<void>;
  /** How many run and wait. */
  abstract view(): QueueView | Promise<QueueView>;
}

/** The bounds as they are set. */
export function lineLimits(
  config: Pick<Config, 'MAX_QUEUE' | 'MAX_CONCURRENT_PER_USER' | 'MAX_QUEUE_PER_USER'>,
): LineLimits {
  return {
    maxQueue: config.MAX_QUEUE,
    maxConcurrentPerUser: config.MAX_CONCURRENT_PER_USER,
    maxQueuePerUser: config.MAX_QUEUE_PER_USER,
  };
}
