import { CastError } from './errors.js';

/**
 * Most values of one JSON text: a small text of many values takes a hundred times its size, and the
 * event loop waits while it is read.
 */
export const MAX_JSON_VALUES = 100_000;
/** Deepest nesting of one JSON text: what walks through a value must not run out of stack. */
export const MAX_JSON_LEVELS = 128;

/**
 * So many characters are looked at one by one before the rest is searched: a call of the search costs as
 * much, and a text of nothing but escaped quotes would make one for each.
 */
const NEAR = 64;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** `,` `[` `{`: one of these stands before each value but the first. */
const COMMA = 0x2c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/**
 * Counts the values of a JSON text before it is parsed; texts inside are skipped, so a large image
 * costs nothing.
 * @param from where the JSON begins
 * @returns how many values it has, and how deep they are nested; where one is more than may be, it
 *   stops counting
 */
export function measureJson(json: string | Buffer, from = 0): { values: number; levels: number } {
  let values = 0;
  let level = 0;
  let levels = 0;
  for (let at = from; at < json.length; at++) {
    const code = codeAt(json, at);
    if (code === QUOTE) at = endOfText(json, at);
    else if (code === COMMA) values++;
    else if (OPENING.has(code)) {
      values++;
      levels = Math.max(levels, ++level);
    } else if (CLOSING.has(code)) level--;
    if (values > MAX_JSON_VALUES || levels > MAX_JSON_LEVELS) break;
  }
  return { values, levels };
}

/**
 * Why a JSON text of this measure is not read; undefined where it is.
 * @param path where the text stands in the request
 */
export function refuseLarge(
  { values, levels }: { values: number; levels: number },
  path = '',
): CastError | undefined {
  if (values > MAX_JSON_VALUES) {
    return new CastError('payload_too_large', {
      message: `The request has more than ${MAX_JSON_VALUES} values.`,
    });
  }
  if (levels <= MAX_JSON_LEVELS) return undefined;
  const message = `nested deeper than ${MAX_JSON_LEVELS} levels`;
  return new CastError('invalid_request', { details: [{ path, message }] });
}

/** Where the text ends that begins at this quote; the end of all where it does not. */
function endOfText(json: string | Buffer, begin: number): number {
  for (let at = begin + 1; ; at++) {
    at = nextQuote(json, at);
    if (at === -1) return json.length;
    let escapes = 0;
    while (codeAt(json, at - 1 - escapes) === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return at;
  }
}

/** Where the next quote is; -1 where there is none. */
function nextQuote(json: string | Buffer, from: number): number {
  const near = from + NEAR;
  for (let at = from; at < near && at < json.length; at++) {
    if (codeAt(json, at) === QUOTE) return at;
  }
  return json.indexOf('"', near);
}

function codeAt(json: string | Buffer, at: number): number {
  return typeof json === 'string' ? json.charCodeAt(at) : (json[at] ?? 0);
}
