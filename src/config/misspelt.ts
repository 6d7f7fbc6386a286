import { settings } from './settings.js';

const KNOWN = [...Object.keys(settings.shape), 'OLLAMA_HOST'];
/** Names of others that are near to one of ours. */
const FOREIGN = new Set(['OLLAMA_MODELS']);
/** Shorter names are near to too many others. */
const MIN_CHARS = 7;
/** A name with so few characters put in, left out, changed or swapped is one that was meant. */
const MAX_SLIPS = 2;

/** One sentence for each variable that is not read, but looks like a setting. */
export function misspelt(env: NodeJS.ProcessEnv): string[] {
  return Object.keys(env).flatMap((name) => {
    if (KNOWN.includes(name) || FOREIGN.has(name)) return [];
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
  if (name.length < MIN_CHARS) return undefined;
  const near = KNOWN.filter((known) => known.length >= MIN_CHARS);
  return near.find((known) => slips(name, known) <= MAX_SLIPS);
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
