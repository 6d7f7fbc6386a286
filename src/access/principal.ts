/**
 * Who asks, as far as that is known:
 * a user that the handshake of a socket named; a socket of nobody known; or a REST caller, who
 * proves himself only by what he knows, such as the id of a generation.
 */
export type Principal = { kind: 'user'; user: string } | { kind: 'socket' } | { kind: 'rest' };

/** The user that a generation of this principal belongs to; undefined where nobody is known. */
export function userOf(principal: Principal): string | undefined {
  return principal.kind === 'user' ? principal.user : undefined;
}

/** Whether a principal may see and cancel what this user owns. */
export function mayReach(principal: Principal, owner: string | undefined): boolean {
  return owner === undefined || principal.kind === 'rest' || userOf(principal) === owner;
}
