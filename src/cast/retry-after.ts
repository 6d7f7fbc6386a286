import type { IncomingHttpHeaders } from 'node:http';

/** Longest pause that is passed on. */
const ONE_DAY_MS = 86_400_000;
/** RFC 9110, section 5.6.7. */
const HTTP_DATE = /^[A-Z][a-z]{2,8}, .* GMT$/;
/** A pause inside the text of a refusal, such as "Please try again in 1m30.5s". */
const PAUSE =
  /(?:try again|retry) (?:in|after) ((?:\d+(?:\.\d+)? ?(?:ms|milliseconds?|seconds?|minutes?|hours?|[smh])(?![a-z]| per)[ ,]{0,2}(?:and )?){1,4})/i;
const STEP = /(\d+(?:\.\d+)?) ?(ms|milli|s|m|h)/gi;
const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  milli: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * How long a server wants to be left alone, in milliseconds, at most a day; undefined where it does
 * not say.
 * @param text where else it may stand than in the headers
 */
export function retryAfter(headers: IncomingHttpHeaders, text = ''): number | undefined {
  const said = fromHeader(headers) ?? fromText(text);
  return said === undefined ? undefined : Math.min(Math.max(0, said), ONE_DAY_MS);
}

/** `Retry-After` in either of its forms (RFC 9110, section 10.2.3), or OpenAI's `retry-after-ms`. */
function fromHeader(headers: IncomingHttpHeaders): number | undefined {
  const exact = headers['retry-after-ms'];
  if (typeof exact === 'string' && /^\d+$/.test(exact)) return Number(exact);
  const value = headers['retry-after'];
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const at = HTTP_DATE.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : at - Date.now();
}

function fromText(text: string): number | undefined {
  const pause = PAUSE.exec(text)?.[1];
  if (pause === undefined) return undefined;
  let sum = 0;
  for (const [, count, unit = ''] of pause.matchAll(STEP)) {
    sum += Number(count) * (UNIT_MS[unit.toLowerCase()] ?? 0);
  }
  return Math.ceil(sum);
}
