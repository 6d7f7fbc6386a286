/**
 * Finds in a short text what also stands in a long one: runs of at least so many characters, as hashes
 * of them pass by once (Rabin and Karp). Linear in both lengths, and nothing is allocated for each
 * character: the event loop waits meanwhile.
 */

const BASE = 31;
/** A word shorter than this, in characters, may stand in many others: `hi` in `this`. */
const SHORT_WORD_CHARS = 6;
/** Up to so many characters a text may be looked for as a whole. */
const WHOLE_CHARS = 12;
const BACKSLASH = 0x5c;
const BLANK = 0x20;
/** What stands behind a backslash in JSON and is white space. */
const WHITE_ESCAPES = new Set(['n', 'r', 't', 'b', 'f'].map((letter) => letter.charCodeAt(0)));

/** A text as it is compared: its characters, and where each of them stands. */
export interface Compared {
  readonly text: string;
  readonly codes: Uint16Array;
  readonly places: Int32Array;
  readonly length: number;
}

/**
 * Undoes what JSON does to a text.
 * @param blanks whether white space counts, each run of it as one blank, or not at all
 */
export function compared(text: string, blanks: boolean): Compared {
  const codes = new Uint16Array(text.length);
  const places = new Int32Array(text.length);
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    const place = at;
    let code = text.charCodeAt(at);
    if (code === BACKSLASH && at + 1 < text.length) {
      const next = text.charCodeAt(at + 1);
      const hex = next === 0x75 ? hexAt(text, at + 2) : undefined;
      if (hex !== undefined) {
        code = hex;
        at += 5;
      } else if (WHITE_ESCAPES.has(next)) {
        code = BLANK;
        at++;
      } else if (next === BACKSLASH || next === 0x22 || next === 0x27 || next === 0x2f) {
        code = next;
        at++;
      }
    }
    if (isWhite(code)) {
      if (!blanks || length === 0 || codes[length - 1] === BLANK) continue;
      code = BLANK;
    }
    codes[length] = code;
    places[length] = place;
    length++;
  }
  // A short text is looked for as a whole, where the blank at its end may be missing.
  if (length > 0 && length <= WHOLE_CHARS && codes[length - 1] === BLANK) length--;
  return { text, codes, places, length };
}

/**
 * Marks what of the text is quoted.
 * @param sought the private text; where it is shorter than `run`, it counts as a whole, and a short
 * word not as part of a longer one
 * @param quoted one byte for each character of the text; set to 1
 */
export function markQuotations(
  text: Compared,
  sought: Compared,
  run: number,
  quoted: Uint8Array,
): void {
  const size = Math.min(run, sought.length);
  if (size === 0 || text.length < size) return;
  const isShortWord = size < SHORT_WORD_CHARS && /^\w+$/.test(sought.text.trim());
  const windows = new Map<number, number[]>();
  eachHash(text, size, (hash, start) => {
    const known = windows.get(hash);
    if (known === undefined) windows.set(hash, [start]);
    else known.push(start);
  });
  eachHash(sought, size, (hash, at) => {
    for (const start of windows.get(hash) ?? []) {
      if (!isSame(text, start, sought, at, size)) continue;
      const from = text.places[start] ?? 0;
      const to = (text.places[start + size - 1] ?? 0) + 1;
      if (!isShortWord || isApart(text.text, from, to)) quoted.fill(1, from, to);
    }
  });
}

/** Whether `text[from..to)` is no part of a longer word; scripts without blanks have none. */
function isApart(text: string, from: number, to: number): boolean {
  const isInside = (at: number): boolean => /^\w\w$/.test(text.slice(at - 1, at + 1));
  return !isInside(from) && !isInside(to);
}

function eachHash(
  { codes, length }: Compared,
  size: number,
  tell: (hash: number, start: number) => void,
): void {
  let leading = 1;
  for (let n = 1; n < size; n++) leading = Math.imul(leading, BASE);
  let hash = 0;
  for (let at = 0; at < length; at++) {
    if (at >= size) hash = (hash - Math.imul(codes[at - size] ?? 0, leading)) | 0;
    hash = (Math.imul(hash, BASE) + (codes[at] ?? 0)) | 0;
    if (at >= size - 1) tell(hash, at - size + 1);
  }
}

function isSame(text: Compared, at: number, other: Compared, there: number, size: number): boolean {
  for (let n = 0; n < size; n++) if (text.codes[at + n] !== other.codes[there + n]) return false;
  return true;
}

function isWhite(code: number): boolean {
  if (code <= BLANK) return code === BLANK || (code >= 0x09 && code <= 0x0d);
  return code >= 0xa0 && /\s/.test(String.fromCharCode(code));
}

/** The code that four hexadecimal digits write; undefined where they are none. */
function hexAt(text: string, at: number): number | undefined {
  const digits = text.slice(at, at + 4);
  return /^[0-9a-f]{4}$/i.test(digits) ? Number.parseInt(digits, 16) : undefined;
}
