import { hexOf, utf8Length } from './platform.js';
import type { TerminalRecord } from './protocol.js';

/**
 * Whether this is all of the answer's text, and nothing else. Where SHA-256 is missing (plain HTTP
 * pages of another machine, React Native) the number of bytes must do.
 */
export async function isWhole(
  text: string,
  { bytes, sha256 }: Pick<TerminalRecord, 'bytes' | 'sha256'>,
): Promise<boolean> {
  if (utf8Length(text) !== bytes) return false;
  const { crypto } = globalThis as { crypto?: Partial<Crypto> };
  if (crypto?.subtle === undefined || typeof TextEncoder === 'undefined') return true;
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return hexOf(new Uint8Array(digest)) === sha256;
}
