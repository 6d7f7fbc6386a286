// What browsers and Node.js have and React Native has not always.

/** The number of bytes that a text has in UTF-8. A lone surrogate counts as U+FFFD, as it is sent. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) continue;
    bytes += unit < 0x800 ? 1 : 2;
    // The second half of a pair: four bytes in all.
    if (unit >= 0xd800 && unit < 0xdc00 && isLowSurrogate(text.charCodeAt(at + 1))) at++;
  }
  return bytes;
}

const isLowSurrogate = (unit: number): boolean => unit >= 0xdc00 && unit < 0xe000;

const ID_BYTES = 16;

/** A new id of 128 random bits. `crypto.randomUUID` is missing on plain HTTP pages. */
export function randomId(): string {
  const { crypto } = globalThis as { crypto?: Partial<Crypto> };
  return hexOf(
    crypto?.getRandomValues?.(new Uint8Array(ID_BYTES)) ??
      // Unique is enough here; React Native can have real randomness (see the README, React Native).
      Array.from({ length: ID_BYTES }, () => Math.floor(Math.random() * 256)),
  );
}

/** Bytes as hexadecimal digits, two each. */
export function hexOf(bytes: Iterable<number>): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
