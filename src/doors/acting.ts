import { actingFor, callerAs } from '../access/acting.js';
import type { Caller } from '../access/caller.js';
import { userName } from '../protocol/access.js';
import { notServed } from './refused.js';

/**
 * The caller as it acts for the user whom a backend names in its request: the generation is that
 * user's, and so is the turn in the line. Of others, who are one user or nobody, the name is ignored.
 * @param field which field names the user
 * @throws CastError `invalid_request` for what can be no name of a user
 */
export function actingAs(caller: Caller, field: string, user: string | undefined): Caller {
  if (user === undefined || user === '' || caller.principal.kind !== 'key') return caller;
  const name = userName.safeParse(user);
  if (!name.success) throw notServed(field, name.error.issues[0]?.message ?? '');
  return callerAs(caller, actingFor(caller.principal, name.data));
}
