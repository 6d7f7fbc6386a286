/** A piece of a Markdown document: what stands below one heading, up to the next of any level. */
export interface Section {
  /** The document's path, as it was given. */
  file: string;
  /** The headings above it, outermost first; the last one is its own. */
  path: readonly string[];
  /** Markdown without the heading, without HTML, images and links to other files. */
  text: string;
}

const HEADING = /^(#{1,6})\s+(.+?)\s*#*$/;
/** A paragraph that names its subject first, where no headings do: `**Why.** Because`. */
const RUN_IN_HEADING = /^\*\*([^*]+)\.\*\*\s+(.+)$/;
const RUN_IN_LEVEL = 7;
/** Opens and closes a code block (CommonMark 4.5); the closing one is at least as long. */
const FENCE = /^ {0,3}(`{3,}|~{3,})/;

/** Cuts a document at its headings; those inside code blocks are none. Empty sections are left out. */
export function sectionsOf(file: string, markdown: string): Section[] {
  const sections: Section[] = [];
  const path: string[] = [];
  let lines: string[] = [];
  let fence: string | undefined;

  const close = (): void => {
    const text = lines.join('\n').trim();
    // A sparse path: a document may skip a level.
    if (text !== '') sections.push({ file, path: path.filter(Boolean), text });
    lines = [];
  };
  for (const line of markdown.replace(/<!--.*?-->/gs, '').split('\n')) {
    const [, mark] = FENCE.exec(line) ?? [];
    if (fence === undefined) fence = mark;
    else if (mark?.startsWith(fence) === true) fence = undefined;

    if (fence !== undefined || mark !== undefined) {
      lines.push(line);
      continue;
    }
    const [, marks, heading] = HEADING.exec(line) ?? [];
    const [, runIn, rest = ''] = (path[1] === undefined && RUN_IN_HEADING.exec(line)) || [];
    const title = heading ?? runIn;
    if (title !== undefined) {
      close();
      path.length = (marks?.length ?? RUN_IN_LEVEL) - 1;
      path.push(plain(title));
    }
    if (marks === undefined) lines.push(prose(runIn === undefined ? line : rest));
  }
  close();
  return sections;
}

/** A line as it can be shown anywhere: what it needs of its own repository is gone. */
function prose(line: string): string {
  const shown = line
    .replace(/!\[[^\]]*\]\([^)]*\)/g, '')
    .replace(/<\/?(p|img|br|div|a)\b[^>]*>/g, '')
    .replace(/\[([^\]]+)\]\((?!https?:)[^)]*\)/g, '$1');
  // The blanks that align a table's source would each be a token.
  return /^\s*\|/.test(shown) ? shown.replace(/ {2,}/g, ' ').replace(/-{4,}/g, '---') : shown;
}

/** A heading without its marks, to be quoted inside a sentence. */
const plain = (title: string): string => title.replace(/[*`]/g, '');
