// The `u` flag makes the pattern count code points, so no character is ever cut in two.
const TOKEN = /\s?\S{1,8}|\s/gu;

/** Cuts a text into word-sized pieces; joined, they are the text again. */
export const tokenise = (text: string): string[] => text.match(TOKEN) ?? [];
