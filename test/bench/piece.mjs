/** Characters of a token, its filler not counted. */
export const PIECE_CHARS = 32;

/** A token's text: its place in the answer and the time it is due, both of fixed width. */
export function piece(index, dueUs) {
  return `${String(index).padStart(6, '0')} ${String(Math.round(dueUs)).padStart(14, '0')} lorem ipsu`;
}

export const indexOf = (text, at) => Number(text.slice(at, at + 6));
export const dueOf = (text, at) => Number(text.slice(at + 7, at + 21));
