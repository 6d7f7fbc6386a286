import { isShallow } from './json-depth.js';

/** A JSON number beyond 2^53, which JavaScript may round, as it was written. */
export class ExactNumber {
  /** As zod calls it where another value was expected. */
  static readonly name = 'number beyond 2^53';

  constructor(readonly text: string) {}

  /** In JSON for clients it is a string: their parser would round a number. */
  toJSON(): string {
    written++;
    return this.text;
  }
}

/** How many exact numbers were written so far. */
let written = 0;
/** Marks an exact number inside a string. Random, so that no text of a caller can look like one. */
const MARK = `${globalThis.crypto.randomUUID()} `;
/** What a text must hold for a number to be rounded: 16 digits in a row, or an exponent. */
const SUSPECT = /\d{16}|\d[eE]\+?\d/;
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/**
 * Reads JSON like `JSON.parse`, but keeps each number beyond 2^53 as an {@link ExactNumber}. Linear in
 * the length of the text.
 * @throws SyntaxError
 */
export function parseExact(json: string): unknown {
  const plain: unknown = JSON.parse(json);
  // The second reading is recursive, so what is nested too deeply keeps its rounded numbers.
  if (!SUSPECT.test(json) || !isShallow(plain)) return plain;
  return JSON.parse(marked(json), (_key, value: unknown) =>
    typeof value === 'string' && value.startsWith(MARK)
      ? new ExactNumber(value.slice(MARK.length))
      : value,
  );
}

/** Writes JSON like `JSON.stringify`, but an {@link ExactNumber} as the number that it is. */
export function stringifyExact(value: unknown): string {
  const before = written;
  const plain = JSON.stringify(value);
  if (written === before) return plain;
  const withMarks = JSON.stringify(value, function mark(this: unknown, key: string, said: unknown) {
    const own: unknown = (this as Record<string, unknown>)[key];
    return own instanceof ExactNumber ? MARK + own.text : said;
  });
  return withMarks.replaceAll(new RegExp(`"${MARK}([^"]*)"`, 'g'), '$1');
}

/** Turns each number beyond 2^53 into a marked string. The text is valid JSON. */
function marked(json: string): string {
  let out = '';
  let at = 0;
  for (let open = json.indexOf('"'); open !== -1; open = json.indexOf('"', at)) {
    let close = json.indexOf('"', open + 1);
    while (isEscaped(json, close)) close = json.indexOf('"', close + 1);
    out += markNumbers(json.slice(at, open)) + json.slice(open, close + 1);
    at = close + 1;
  }
  return out + markNumbers(json.slice(at));
}

function markNumbers(betweenStrings: string): string {
  return betweenStrings.replace(NUMBER, (text) =>
    isBeyondExact(Number(text)) ? JSON.stringify(MARK + text) : text,
  );
}

/** Whether a number is beyond what JavaScript counts exactly (2^53). */
export function isBeyondExact(number: number): boolean {
  return Math.abs(number) > Number.MAX_SAFE_INTEGER;
}

/** Whether an odd number of backslashes stands before the quotation mark. */
function isEscaped(json: string, quote: number): boolean {
  let backslashes = 0;
  while (json[quote - 1 - backslashes] === '\\') backslashes++;
  return backslashes % 2 === 1;
}
