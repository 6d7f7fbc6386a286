/**
 * Most values of one JSON text: a small text of many values takes a hundred times its size, and the
 * event loop waits while it is read.
 */
export const MAX_JSON_VALUES = 100_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** One of these stands before each value but the first: `,` `[` `{`. */
const BEFORE_A_VALUE = new Set([0x2c, 0x5b, 0x7b]);

/**
 * Whether a JSON text has more values than may be read. It is counted before the text is parsed; texts
 * inside are skipped, so a large image costs nothing.
 * @param from where the JSON begins
 */
export function hasTooManyValues(json: string | Buffer, from = 0): boolean {
  let values = 0;
  for (let at = from; at < json.length; at++) {
    const code = codeAt(json, at);
    if (code === QUOTE) at = endOfText(json, at);
    else if (BEFORE_A_VALUE.has(code) && ++values > MAX_JSON_VALUES) return true;
  }
  return false;
}

/** Where the text ends that begins at this quote; the end of all where it does not. */
function endOfText(json: string | Buffer, begin: number): number {
  for (let at = begin + 1; ; at++) {
    at = json.indexOf('"', at);
    if (at === -1) return json.length;
    let escapes = 0;
    while (codeAt(json, at - 1 - escapes) === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return at;
  }
}

function codeAt(json: string | Buffer, at: number): number {
  return typeof json === 'string' ? json.charCodeAt(at) : (json[at] ?? 0);
}
