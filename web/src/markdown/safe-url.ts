const SCHEMES = new Set(['http:', 'https:', 'mailto:']);

/**
 * The address as the browser itself reads it, when a link may go there; undefined for everything
 * else: other schemes, and relative addresses, which would mean this page's own server.
 */
export function safeUrl(address: string): string | undefined {
  // Not a pattern: only the browser's own parser knows all the browser's tricks.
  try {
    const url = new URL(address);
    return SCHEMES.has(url.protocol) ? url.href : undefined;
  } catch {
    return undefined;
  }
}
