import { settings } from './settings.js';

const KNOWN = [...Object.keys(settings.shape), 'OLLAMA_HOST'];
/** Names of others that are near to one of ours. */
const FOREIGN = new Set(['OLLAMA_MODELS']);
/** What other programs call one of ours. */
const SYNONYMS: Readonly<Record<string, string>> = {
  OLLAMA_URL: 'OLLAMA_BASE_URL',
  OLLAMA_API_BASE: 'OLLAMA_BASE_URL',
  OLLAMA_API_URL: 'OLLAMA_BASE_URL',
  OLLAMA_API_BASE_URL: 'OLLAMA_BASE_URL',
  OPENAI_URL: 'OPENAI_BASE_URL',
  OPENAI_API_BASE: 'OPENAI_BASE_URL',
  OPENAI_API_URL: 'OPENAI_BASE_URL',
  OPENAI_API_BASE_URL: 'OPENAI_BASE_URL',
  OPENAI_KEY: 'OPENAI_API_KEY',
  REDIS_HOST: 'REDIS_URL',
  METRICS_ENABLED: 'METRICS',
  ALLOWED_ORIGINS: 'CORS_ORIGINS',
  JWKS_URL: 'JWT_JWKS_URL',
  WS_PORT: 'SOCKET_PORT',
};
/** A name with so few characters put in, left out, changed or swapped is one that was meant. */
const MAX_SLIPS = 2;
/** In a short name fewer, and none in the shortest: they are near to too many others. */
const slipsIn = (name: string): number => (name.length < 5 ? 0 : name.length < 7 ? 1 : MAX_SLIPS);

/** What Kubernetes tells each pod of each Service, such as `OLLAMA_PORT` of the one called `ollama`. */
const OF_A_SERVICE = /^(tcp|udp|sctp):\/\//;

/** Whether a variable is no setting, although it has the name of one: that of a Service called `metrics`. */
export function isOfService(name: string, value: string): boolean {
  return name.endsWith('_PORT') && OF_A_SERVICE.test(value);
}

/** One sentence for each variable that is not read, but looks like a setting. */
export function misspelt(env: NodeJS.ProcessEnv): string[] {
  return Object.entries(env).flatMap(([name, value = '']) => {
    if (KNOWN.includes(name) || FOREIGN.has(name) || OF_A_SERVICE.test(value)) return [];
    const meant = meantBy(
      name
        .toUpperCase()
        .replaceAll('-', '_')
        .replace(/^LLM_?CAST_/, ''),
    );
    return meant === undefined ? [] : [`${name} is no setting and is not read: is ${meant} meant?`];
  });
}

function meantBy(name: string): string | undefined {
  if (KNOWN.includes(name)) return name;
  return SYNONYMS[name] ?? KNOWN.find((known) => slips(name, known) <= slipsIn(known));
}

/** Damerau-Levenshtein distance; more than `MAX_SLIPS` where the lengths alone say so. */
function slips(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > MAX_SLIPS) return Infinity;
  const rows = Array.from({ length: a.length + 1 }, (_, at) => [at]);
  for (let column = 0; column <= b.length; column++) rows[0]![column] = column;
  for (let row = 1; row <= a.length; row++) {
    for (let column = 1; column <= b.length; column++) {
      const changed = a[row - 1] === b[column - 1] ? 0 : 1;
      rows[row]![column] = Math.min(
        rows[row - 1]![column]! + 1,
        rows[row]![column - 1]! + 1,
        rows[row - 1]![column - 1]! + changed,
        a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
          ? rows[row - 2]![column - 2]! + 1
          : Infinity,
      );
    }
  }
  return rows[a.length]![b.length]!;
}
