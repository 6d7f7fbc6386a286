import type { Caller } from '../access/caller.js';
import { ownerOf } from '../access/principal.js';
import type { Asked } from './asked.js';
import type { Claim, Name } from './store/generation-store.js';

/** What is asked, by whom, and under which idempotency key. */
export interface Order {
  asked: Asked | { endpoint: 'pull'; model: string };
  caller: Caller;
  idempotencyKey: string | undefined;
  /** What the door keeps with the generation. */
  note?: unknown;
  /** Under which its owner asks for it; a later one of the same name takes it over. */
  name?: string | undefined;
}

/** A generation by its id, or by the name that the caller has given it. */
export type Which = string | { readonly name: string };

/** The scope of a caller's keys and names: the owner, or an anonymous caller's address. */
function scopeOf({ principal, turn }: Caller): string {
  return ownerOf(principal) ?? turn;
}

/** What claims the key of an order, if it has one. */
export function claimOf({ asked, caller, idempotencyKey: key, note }: Order): Claim | undefined {
  if (key === undefined) return undefined;
  // A door that keeps something with its answer can do nothing with the answer of another door.
  return { key, user: scopeOf(caller), asked: note === undefined ? asked : [asked, note] };
}

/** What a name means that this caller says. */
export function nameOf(name: string, caller: Caller): Name {
  return { name, user: scopeOf(caller) };
}

/** The name that an order gives its generation, if it does. */
export function givenName({ name, caller }: Order): Name | undefined {
  return name === undefined ? undefined : nameOf(name, caller);
}
