import type { Revocation } from './revocations.js';

/** Something that is counted for an account, and how much of it there may be; 0 or absent = no limit. */
export interface Allowance {
  readonly name: string;
  readonly most: number | undefined;
}

/** Counts within a window of time, which begins at the first use of each name. */
export interface Window {
  /**
   * Counts an amount, below 0 to give it back.
   * @returns what is counted now, and when that ends, in milliseconds
   * @throws CastError `store_unavailable`
   */
  take(name: string, amount: number): Promise<{ used: number; endsInMs: number }>;
  /** Counts an amount, below 0 to give it back; later, where that cannot be done now. Never rejects. */
  correct(name: string, amount: number): Promise<void>;
  /** What is counted now. @throws CastError `store_unavailable` */
  used(name: string): Promise<number>;
}

/** What is known of callers: in the memory of this process, or of all nodes together. */
export abstract class AccessStore {
  /** @param name of what is counted @param seconds how long the window is */
  abstract window(name: string, seconds: number): Window;

  /**
   * Counts an open socket for all these accounts, or for none where one has as many as it may.
   * @returns to be called when it is closed; undefined where it was not counted
   */
  abstract openSocket(accounts: readonly Allowance[]): Promise<(() => void) | undefined>;

  /**
   * Has all nodes know what was taken back, also those that start later.
   * @throws CastError `store_unavailable`: they are told as soon as that is possible
   */
  abstract keep(revocation: Revocation): Promise<void>;

  /** @param listener hears what other nodes have taken back; of one revocation maybe more than once */
  abstract onRevoked(listener: (revocation: Revocation) => void): void;
}
