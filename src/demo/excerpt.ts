/** Most characters of a section that one answer shows: about 20 s at 40 tokens a second. */
export const EXCERPT_CHARS = 3_000;
/** Most rows of a table that one answer shows. */
const TABLE_ROWS = 12;
/** Header and delimiter. */
const HEAD_ROWS = 2;

export interface Excerpt {
  text: string;
  /** Whether there is more. */
  isCut: boolean;
}

/**
 * As much of a section's Markdown as an answer has room for: of a long table the rows with these
 * words, and whole paragraphs, lists and code blocks. The first of them is always there.
 * @param words in lower case
 */
export function excerptOf(markdown: string, words: readonly string[]): Excerpt {
  const whole = blocksOf(markdown);
  const blocks = whole.map((block) => (block.startsWith('|') ? fewerRows(block, words) : block));
  let room = EXCERPT_CHARS;
  const shown = blocks.filter((block, at) => (room -= block.length) >= 0 || at === 0);
  const isCut = shown.length < whole.length || blocks.some((block, at) => block !== whole[at]);
  return { text: shown.join('\n\n'), isCut };
}

/** Cuts at blank lines, but not inside code; and a list that is longer than an answer between its points. */
function blocksOf(markdown: string): string[] {
  const blocks: string[] = [];
  for (const part of markdown.split(/\n\s*\n/)) {
    const last = blocks.at(-1);
    if (last !== undefined && isOpen(last)) blocks[blocks.length - 1] = `${last}\n\n${part}`;
    else blocks.push(part);
  }
  return blocks.flatMap((block) =>
    block.startsWith('- ') && block.length > EXCERPT_CHARS ? block.split(/\n(?=- )/) : block,
  );
}

const isOpen = (block: string): boolean => (block.match(/^ {0,3}(```|~~~)/gm)?.length ?? 0) % 2 > 0;

/** Of a table that is too long: the rows with most of the words, or else its first. */
function fewerRows(table: string, words: readonly string[]): string {
  const lines = table.split('\n');
  const rows = lines.slice(HEAD_ROWS);
  if (rows.length <= TABLE_ROWS) return table;
  const counts = rows.map((row) => {
    const lower = row.toLowerCase();
    return words.filter((word) => lower.includes(word)).length;
  });
  const most = Math.max(...counts);
  const kept = rows.filter((_, at) => counts[at] === most).slice(0, TABLE_ROWS);
  return [...lines.slice(0, HEAD_ROWS), ...kept].join('\n');
}
