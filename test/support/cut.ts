/** Where the pieces begin and end; the places may repeat, come in any order and lie behind the end. */
function ranges(length: number, at: readonly number[]): (readonly [number, number])[] {
  const places = at.map((place) => place % (length + 1)).toSorted((a, b) => a - b);
  return [...places, length].map((end, index) => [places[index - 1] ?? 0, end]);
}

/** The bytes in pieces, cut at the given places. */
export function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  return ranges(bytes.length, at).map(([start, end]) => bytes.subarray(start, end));
}

/** The text in pieces, cut at UTF-16 units, also between the two of one character. */
export function cutText(text: string, at: readonly number[]): string[] {
  return ranges(text.length, at).map(([start, end]) => text.slice(start, end));
}
