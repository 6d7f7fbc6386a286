import { hash } from 'node:crypto';
import type { LinkPrincipal, UserPrincipal } from './principal.js';

/** Most tokens that are remembered. */
const MAX_TOKENS = 10_000;
/** How long one is remembered: a key that was taken from a key set is good no longer than that. */
const REMEMBERED_MS = 60_000;

/**
 * Tokens that were verified lately, by their hash: to verify a signature costs ten times as much.
 * Whether one has expired or was taken back is asked each time all the same.
 */
export class VerifiedTokens {
  private readonly known = new Map<
    string,
    { principal: UserPrincipal | LinkPrincipal; until: number }
  >();

  find(token: string): UserPrincipal | LinkPrincipal | undefined {
    const name = digest(token);
    const found = this.known.get(name);
    if (found === undefined) return undefined;
    if (found.until > Date.now()) return found.principal;
    this.known.delete(name);
    return undefined;
  }

  add(token: string, principal: UserPrincipal | LinkPrincipal): void {
    if (this.known.size >= MAX_TOKENS) {
      const [oldest] = this.known.keys();
      if (oldest !== undefined) this.known.delete(oldest);
    }
    this.known.set(digest(token), { principal, until: Date.now() + REMEMBERED_MS });
  }
}

function digest(token: string): string {
  return hash('sha256', token, 'base64');
}
