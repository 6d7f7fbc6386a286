import type { TerminalRecord } from './protocol.js';

/**
 * Whether this is all of the answer's text, and nothing else. Browsers have SHA-256 only on pages
 * that came over HTTPS or from this machine; elsewhere the number of bytes must do.
 */
export async function isWhole(
  text: string,
  { bytes, sha256 }: Pick<TerminalRecord, 'bytes' | 'sha256'>,
): Promise<boolean> {
  const utf8 = new TextEncoder().encode(text);
  if (utf8.length !== bytes) return false;
  const { subtle } = crypto as Partial<Crypto>;
  if (subtle === undefined) return true;
  const digest = new Uint8Array(await subtle.digest('SHA-256', utf8));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('') === sha256;
}
