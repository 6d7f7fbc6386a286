import { compared, markQuotations } from './quotations.js';

/** Most characters of an upstream's error text that are looked at, and that are logged. */
const READ_CHARS = 4_000;
const LOGGED_CHARS = 300;
/** Most characters that are searched for quotations: the event loop waits meanwhile. */
const SEARCHED_CHARS = 200_000;
/** Runs this long that also stand in what is private are quotations: for the log, and for clients. */
const LOGGED_RUN = { letters: 10, chars: 12 };
const SHOWN_RUN = { letters: 7, chars: 8 };
/** Bearer tokens, API keys, `user:password@` and `?key=` in addresses. */
const SECRET = /(bearer\s+|\bsk-|\/\/(?=[^\s/]*@)|[?&][\w-]*(?:key|token|ts)=)[^\s"'@&]+/gi;
/** Names under which servers write keys and passwords, and what they write there. */
const NAMED_SECRET =
  /\b((?:authorization|(?:x[-_])?(?:api|access|secret|private|auth)[-_ ]?key|(?:\w{1,20}[-_])?(?:token|secret|password|passwd))["']?\s{0,3}[:=]\s{0,3}["']?(?:basic |bearer |digest )?)(?!\d+\b)[^\s"',;})\]…]+/gi;
/** Registries of models: their names begin with them. */
const KNOWN_HOSTS = 'registry\\.ollama\\.ai|ollama\\.com|hf\\.co|huggingface\\.co';
/** How names of hosts end; other names with dots in them are those of fields and models. */
const ENDS =
  'internal|local|localdomain|lan|home|corp|intranet|private|svc|example|com|net|org|io|ai|dev|app|cloud|co|info|biz|xyz|tech|eu|de|uk|fr|cn|jp|ru|br|in|us|ch|at|nl|es|it|pl|se|ca|au';
/** What else clients are not to see: addresses, paths, keys of any kind. */
const PRIVATE: readonly RegExp[] = [
  /\b[a-z][a-z+.-]*:\/\/[^\s"'<>)]+/gi,
  /[\w.+-]+@[\w-]+(\.[\w-]+)+/g,
  /\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b/g,
  /\[?[0-9a-f]{0,4}(:[0-9a-f]{0,4}){3,7}\]?(:\d+)?/gi,
  /\b(?:localhost|[\w-]+(?:\.[\w-]+)+):\d{2,5}\b/gi,
  /(?<![\w-])[a-z][a-z0-9-]*:(?:80|443|\d{4,5})\b/gi,
  new RegExp(
    `(?<![\\w.-])(?!(?:${KNOWN_HOSTS})(?![\\w.-]))(?:[a-z0-9][\\w-]{0,62}\\.){1,8}(?:${ENDS})(?![\\w-])(?:\\.[\\w-]+)*`,
    'gi',
  ),
  /\b(?:AKIA|ASIA|AIza|gsk_|hf_|ghp_|xai-|r8_)[\w-]{8,}/g,
  /(^|[\s"'`(=:[{<,;|>])(?:[a-z]:)?(?:[/\\][\w.@%+~-]+){2,}[/\\]?/gi,
  /\b(?:[a-z]{2,6}[-_])?(?=[\w-]*\d)(?=[\w-]*[a-z])[\w-]{20,}/gi,
  /\b\w{3,8}\*{2,}\w*/g,
];

/**
 * What may be logged of an upstream's error text: no key, and nothing that quotes what is private, be
 * it escaped or broken into other lines. Short private texts are looked for as a whole.
 * @param secrets what the caller wrote, what the model answered, the upstream's key
 */
export function redact(text: string, secrets: readonly string[]): string {
  const plain = unescaped(text.slice(0, READ_CHARS)).replace(SECRET, '$1…');
  const safe = withoutQuotations(
    plain.slice(0, LOGGED_CHARS + LOGGED_RUN.chars),
    secrets,
    LOGGED_RUN,
  );
  return safe === undefined ? '(too much to look for quotations in)' : oneLine(safe);
}

/**
 * What a client may see of a refusal's reason: nothing that {@link redact} takes out, and no address
 * or path either.
 * @returns undefined where nothing is left that says anything
 */
export function shown(said: string, secrets: readonly string[]): string | undefined {
  if (/^\s*<(!doctype|html|\?xml)/i.test(said)) return undefined;
  let plain = unescaped(said.slice(0, READ_CHARS))
    .replace(SECRET, '$1…')
    .replace(NAMED_SECRET, '$1…');
  for (const pattern of PRIVATE) plain = plain.replace(pattern, '…');
  const safe = withoutQuotations(
    plain.slice(0, LOGGED_CHARS + SHOWN_RUN.chars),
    secrets,
    SHOWN_RUN,
  );
  return safe !== undefined && /[a-z]{3}/i.test(safe) ? oneLine(safe).trim() : undefined;
}

/** An error of the system, such as ECONNREFUSED, quotes nobody: there is nothing to look for. */
export function redactCause(cause: Error, secrets: () => readonly string[]): string {
  const isSystem = 'syscall' in cause && 'code' in cause;
  return redact(cause.message, isSystem ? [] : secrets());
}

/** @returns undefined where the secrets are too long to be looked for */
function withoutQuotations(
  text: string,
  secrets: readonly string[],
  run: { letters: number; chars: number },
): string | undefined {
  if (secrets.reduce((sum, secret) => sum + secret.length, 0) > SEARCHED_CHARS) return undefined;
  const quoted = new Uint8Array(text.length);
  for (const [blanks, size] of [
    [false, run.letters],
    [true, run.chars],
  ] as const) {
    const own = compared(text, blanks);
    for (const secret of secrets) markQuotations(own, compared(secret, blanks), size, quoted);
  }
  let safe = '';
  for (let at = 0; at < text.length; at++) {
    if (quoted[at] !== 1) safe += text[at];
    else if (quoted[at - 1] !== 1) safe += '…';
  }
  return safe;
}

function oneLine(text: string): string {
  return text.slice(0, LOGGED_CHARS).replace(/\s+/g, ' ');
}

/** Undoes what JSON does to a text. */
function unescaped(text: string): string {
  return text.replace(
    /\\(?:u([0-9a-f]{4})|([nrtbf])|(["'\\/]))/gi,
    (_, code?: string, white?: string, same = '') =>
      code !== undefined
        ? String.fromCharCode(parseInt(code, 16))
        : white !== undefined
          ? ' '
          : same,
  );
}
