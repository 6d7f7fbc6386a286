/**
 * What a terminal acts on or does not show: control characters, marks that turn the direction of text
 * round, characters of no width, line separators, halves of characters.
 */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** The text with what is hidden in it written out, such as `\u{202e}`: a log shows what stands in it. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (character) =>
    character === '\n' || character === '\t'
      ? character
      : `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}

/** The same for every text in what is to be logged; objects are copied. */
export function allVisible(value: unknown): unknown {
  if (typeof value === 'string') return visible(value);
  if (typeof value !== 'object' || value === null || value instanceof Error) return value;
  if (Array.isArray(value)) return value.map(allVisible);
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [visible(name), allVisible(one)]),
  );
}
