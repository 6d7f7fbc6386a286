/** How long before its end a token is replaced, in milliseconds. */
const EARLY_MS = 30_000;

/**
 * Fetches a token of the user; called before each connection, and before the last one ends. Undefined
 * connects without one.
 */
export type TokenSource = () => Promise<string | undefined>;

/**
 * How long after it was fetched a token should be replaced, in milliseconds: half a minute before its
 * end, or at half of a short life. Undefined for what is no JWT, such as an API key. Only the token's
 * own times are compared: the clock of this device may be wrong.
 */
export function renewAfter(token: string): number | undefined {
  try {
    const [, payload = ''] = token.split('.');
    const text = atob(payload.replaceAll('-', '+').replaceAll('_', '/'));
    const { iat, exp } = JSON.parse(text) as { iat?: unknown; exp?: unknown };
    if (typeof iat !== 'number' || typeof exp !== 'number') return undefined;
    const life = (exp - iat) * 1000;
    return Math.max(life - EARLY_MS, life / 2);
  } catch {
    return undefined;
  }
}
