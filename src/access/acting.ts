import { CastError } from '../protocol/errors.js';
import type { Caller } from './caller.js';
import { ownerOf, type Principal } from './principal.js';

/**
 * The principal as it acts for a user: a backend's key may name any of its tenant, a user only itself.
 * @throws CastError `forbidden`
 */
export function actingFor(principal: Principal, userId: string | undefined): Principal {
  if (userId === undefined) return principal;
  if (principal.kind === 'key') return { ...principal, userId };
  if (principal.kind === 'user' && principal.sub === userId) return principal;
  throw new CastError('forbidden', NOT_THAT_USER);
}

/** The caller as this principal: with its turn in the waiting line. */
export function callerAs(caller: Caller, principal: Principal): Caller {
  return principal === caller.principal
    ? caller
    : { ...caller, principal, turn: turnOf(principal, caller.turn) };
}

/** The turn that a principal takes: its user's. @param otherwise where nobody is known */
export function turnOf(principal: Principal, otherwise: string): string {
  if (principal.kind === 'key' && principal.userId === undefined) return `key ${principal.keyId}`;
  const owner = ownerOf(principal);
  return owner === undefined ? otherwise : `user ${owner}`;
}

/**
 * Whether a request may be for a socket of somebody else: of its own user; a backend's, for those of
 * its tenant, or of the user whom it names; without credentials, of its own address.
 * @param isNear whether both have one address, or only this machine can connect
 */
export function mayDeliver(asking: Principal, socket: Principal, isNear: boolean): boolean {
  const owner = ownerOf(socket);
  switch (asking.kind) {
    case 'key':
      return (
        owner !== undefined &&
        owner.startsWith(`${asking.tenant}/`) &&
        (asking.userId === undefined || owner === ownerOf(asking))
      );
    case 'user':
      return owner === ownerOf(asking);
    case 'rest':
      return isNear && (owner === undefined || owner.startsWith('/'));
    default:
      return false;
  }
}

const NOT_THAT_USER = { message: 'This caller is not known to be that user.' };
