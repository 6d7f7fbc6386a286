// A part of its own: the worker loads it with the first code.
import hljs from 'highlight.js/lib/common';

/** Longest code that is coloured, in characters: each of its words becomes an element. */
const MAX_COLOURED = 8_000;

/** The code as HTML; undefined when it is too long, or in no language that is known. */
export function colour(code: string, language: string): string | undefined {
  if (code.length > MAX_COLOURED || hljs.getLanguage(language) === undefined) return undefined;
  return hljs.highlight(code, { language, ignoreIllegals: true }).value;
}
