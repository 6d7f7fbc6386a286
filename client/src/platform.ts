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

const HEX_DIGITS = 32;

/** A new id of 128 random bits. `crypto.randomUUID` is missing on plain HTTP pages. */
export function randomId(): string {
  const { crypto } = globalThis as { crypto?: Crypto };
  if (crypto?.getRandomValues === undefined) {
    // Unique is enough here; React Native can have real randomness (see the README, React Native).
    return Array.from({ length: HEX_DIGITS }, () =>
      Math.floor(Math.random() * 16).toString(16),
    ).join('');
  }
  const bytes = crypto.getRandomValues(new Uint8Array(HEX_DIGITS / 2));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
