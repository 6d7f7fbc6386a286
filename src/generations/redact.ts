/** Most characters of an upstream's error text that are looked at, and that are logged. */
const READ_CHARS = 4_000;
const LOGGED_CHARS = 300;
/** Most characters that are searched for quotations: the event loop waits meanwhile. */
const SEARCHED_CHARS = 200_000;
/** Runs this long that also stand in what is private are quotations, without and with its blanks. */
const QUOTED_LETTERS = 10;
const QUOTED_CHARS = 12;
/** Bearer tokens, API keys, `user:password@` and `?key=` in addresses. */
const SECRET = /(bearer\s+|\bsk-|\/\/(?=[^\s/]*@)|[?&][\w-]*(?:key|token|ts)=)[^\s"'@&]+/gi;

/**
 * What may be logged of an upstream's error text: no key, and nothing that quotes what is private, be
 * it escaped or broken into other lines. Short private texts are looked for as a whole.
 * @param secrets what the caller wrote, what the model answered, the upstream's key
 */
export function redact(text: string, secrets: readonly string[]): string {
  if (secrets.reduce((sum, secret) => sum + secret.length, 0) > SEARCHED_CHARS) {
    return '(too much to look for quotations in)';
  }
  const plain = unescaped(text.slice(0, READ_CHARS)).replace(SECRET, '$1…');
  let safe = plain.slice(0, LOGGED_CHARS + QUOTED_CHARS);
  for (const secret of secrets) {
    safe = withoutQuotations(safe, secret, '', QUOTED_LETTERS);
    safe = withoutQuotations(safe, secret, ' ', QUOTED_CHARS);
  }
  return safe.slice(0, LOGGED_CHARS).replace(/\s+/g, ' ');
}

/** @param blank what white space counts as: nothing, or one blank */
function withoutQuotations(text: string, secret: string, blank: '' | ' ', most: number): string {
  const sought = unescaped(secret).trim().replace(/\s+/g, blank);
  if (sought === '') return text;
  // What of the text is compared, and where each of its characters stands.
  const places = [...text.matchAll(blank === '' ? /\S/g : /\s+|\S/g)];
  const compared = places.map(([found]) => (/\s/.test(found) ? blank : found)).join('');
  const run = Math.min(most, sought.length);
  const windows = new Set<string>();
  for (let start = 0; start + run <= compared.length; start++) {
    windows.add(compared.slice(start, start + run));
  }
  // Once through the long side: what it holds of the short one.
  const found = new Set<string>();
  for (let start = 0; start + run <= sought.length; start++) {
    const window = sought.slice(start, start + run);
    if (windows.has(window)) found.add(window);
  }
  const quoted = new Set<number>();
  for (let start = 0; start + run <= compared.length; start++) {
    if (!found.has(compared.slice(start, start + run))) continue;
    const end = places[start + run - 1]?.index ?? 0;
    for (let index = places[start]?.index ?? 0; index <= end; index++) quoted.add(index);
  }
  let safe = '';
  for (let index = 0; index < text.length; index++) {
    if (!quoted.has(index)) safe += text[index];
    else if (!quoted.has(index - 1)) safe += '…';
  }
  return safe;
}

/** Undoes what JSON does to a text. */
function unescaped(text: string): string {
  return text
    .replace(/\\u([0-9a-f]{4})/gi, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
    .replace(/\\[nrtbf]/g, ' ')
    .replace(/\\(["'\\/])/g, '$1');
}
