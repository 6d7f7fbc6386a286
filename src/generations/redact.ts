/** Most characters of an upstream's error text that are logged. */
const LOGGED_CHARS = 300;
/** A run this long that also stands in the request is taken for a quotation of it. */
const QUOTED_CHARS = 12;
/** Bearer tokens, API keys, `user:password@` and `?key=` in addresses. */
const SECRET = /(bearer\s+|\bsk-|\/\/(?=[^\s/]*@)|[?&][\w-]*(?:key|token|ts)=)[^\s"'@&]+/gi;

/**
 * What may be logged of an upstream's error text: no key, and nothing that quotes the request.
 * @param request the texts that the caller wrote
 */
export function redact(text: string, request: readonly string[]): string {
  let safe = text.slice(0, LOGGED_CHARS).replace(SECRET, '$1…');
  for (const said of request) {
    if (said === '') continue;
    if (said.length <= QUOTED_CHARS) {
      safe = safe.replaceAll(said, '…');
      continue;
    }
    for (let at = 0; at + QUOTED_CHARS <= safe.length; at++) {
      if (!said.includes(safe.slice(at, at + QUOTED_CHARS))) continue;
      let end = at + QUOTED_CHARS;
      while (end < safe.length && said.includes(safe.slice(at, end + 1))) end++;
      safe = `${safe.slice(0, at)}…${safe.slice(end)}`;
    }
  }
  return safe.replace(/\s+/g, ' ');
}
