import type { Caller } from '../access/caller.js';
import { ownerOf } from '../access/principal.js';
import type { Asked } from './asked.js';
import type { Claim } from './store/generation-store.js';

/** What is asked, by whom, and under which idempotency key. */
export interface Order {
  asked: Asked | { endpoint: 'pull'; model: string };
  caller: Caller;
  idempotencyKey: string | undefined;
  /** What the door keeps with the generation. */
  note?: unknown;
}

/** The scope of a caller's idempotency keys: the owner, or an anonymous caller's address. */
function scopeOf({ principal, turn }: Caller): string {
  return ownerOf(principal) ?? turn;
}

/** What claims the key of an order, if it has one. */
export function claimOf({ asked, caller, idempotencyKey: key }: Order): Claim | undefined {
  return key === undefined ? undefined : { key, user: scopeOf(caller), asked };
}
