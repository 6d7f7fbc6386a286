/** A formula as its author has written it, with its delimiters. */
export interface Formula {
  source: string;
  /** On a line of its own. */
  isDisplay: boolean;
}

/** Longest formula, in characters. */
const MAX_FORMULA = 5_000;
/** Formulas stand in the Markdown as one character each, of a plane that no text uses. */
const FIRST = 0xf0000;
/** As many as that plane has characters; what follows stays as it is written. */
const MAX_FORMULAS = 0xfffe;
const STANDS_FOR_FORMULA = /[\u{F0000}-\u{FFFFD}]/u;

/** What no formula goes over: the end of its paragraph, of its line, or the beginning of code. */
const BLANK_LINE = String.raw`\n[ \t]*\n|\``;

/** What may become a blank line, at the end of what is there. */
const HALF_BORDER = /\n[ \t]*$/;

/** How a formula begins, how it ends, and what it cannot hold. */
const KINDS = [
  { opening: '$$', end: /\$\$/g, border: new RegExp(BLANK_LINE, 'g'), isDisplay: true },
  { opening: '\\[', end: /\\\]/g, border: new RegExp(BLANK_LINE, 'g'), isDisplay: true },
  { opening: '\\(', end: /\\\)/g, border: new RegExp(BLANK_LINE, 'g'), isDisplay: false },
  // No space before the `$` that ends it, no letter or digit behind: `$5 to $10`, `$HOME/$USER`.
  { opening: '$', end: /(?<=[^\s\\])\$(?![\w$])/g, border: /[\n`]/g, isDisplay: false },
];
type Kind = (typeof KINDS)[number];

/** Whatever may begin a formula, and what only looks so: `\\`, `\$`. */
const OPENING = /\\[\\$]|\$\$|\\\[|\\\(|\$/g;

/**
 * Finds the formulas of a text that arrives in pieces, whatever these are, and puts one character in
 * the place of each. A formula counts when its end is there: until then it is held back.
 */
export class FormulaScanner {
  readonly formulas: Formula[] = [];
  /** What may become a formula. */
  held = '';
  /** The last character before it; each is seen once. */
  private before = '';
  /** No formula of this kind ends before this position of `held`. */
  private readonly searched = new Map<Kind, number>();

  /** @returns the text so far that is decided */
  write(text: string): string {
    this.held += text;
    return this.decide(false);
  }

  /** @returns the rest */
  end(): string {
    return this.decide(true);
  }

  private decide(isEnd: boolean): string {
    let decided = '';
    let from = 0;
    const take = (to: number, replacement = this.held.slice(from, to)): void => {
      decided += replacement;
      this.before = replacement.at(-1) ?? this.before;
      from = to;
    };
    while (from < this.held.length) {
      OPENING.lastIndex = from;
      const match = OPENING.exec(this.held);
      if (match === null) {
        // `\` may begin something, and `$` may be half of `$$`.
        const isHalf = !isEnd && this.held.endsWith('\\');
        take(this.held.length - (isHalf ? 1 : 0));
        break;
      }
      take(match.index);
      const [opening] = match;
      const isUndecided = !isEnd && from + 1 === this.held.length;
      if (isUndecided) break;
      const kind = KINDS.find((kind) => kind.opening === opening);
      const isFull = this.formulas.length === MAX_FORMULAS;
      if (kind === undefined || isFull || !this.mayBegin(kind, from)) {
        take(from + opening.length);
        continue;
      }
      const end = this.endOf(kind, from, isEnd);
      if (end === 'later') break;
      if (end === 'never') take(from + opening.length);
      else take(end, this.stand(kind, this.held.slice(from, end)));
    }
    this.held = this.held.slice(from);
    for (const [kind, until] of this.searched) this.searched.set(kind, until - from);
    return decided;
  }

  /** `US$`, `2$`, `$ ` and `list\[` begin nothing. */
  private mayBegin({ opening }: Kind, at: number): boolean {
    if (opening === '\\[') return !/[\w\]]/.test(this.before);
    if (opening !== '$') return true;
    return !/[\w$]/.test(this.before) && /\S/.test(this.held[at + 1] ?? ' ');
  }

  /** Where the formula that begins at `from` is over. */
  private endOf(kind: Kind, from: number, isEnd: boolean): number | 'later' | 'never' {
    const { opening, end, border } = kind;
    const inside = from + opening.length;
    const limit = from + MAX_FORMULA;
    // Each character is looked at once, however many openings there are before it.
    const start = Math.max(inside, this.searched.get(kind) ?? 0) - 1;
    const window = this.held.slice(start, limit + 2);
    end.lastIndex = border.lastIndex = 1;
    const match = end.exec(window);
    const length = match === null ? Infinity : match.index + match[0].length;
    const over = start + length;
    const bordered = border.exec(window.slice(0, length))?.index ?? Infinity;
    const bound = Math.min(start + bordered, limit);
    if (over <= bound) {
      // What stands behind a `$` decides on it.
      if (opening === '$' && over === this.held.length && !isEnd) return 'later';
      return isFormula(kind, this.held.slice(inside, over - opening.length)) ? over : 'never';
    }
    const lookedAt =
      start + Math.min(HALF_BORDER.exec(window)?.index ?? Infinity, window.length - 3);
    this.searched.set(kind, Math.max(start + 1, Math.min(bound, lookedAt)));
    return bound < this.held.length || isEnd ? 'never' : 'later';
  }

  private stand({ isDisplay }: Kind, source: string): string {
    this.formulas.push({ source, isDisplay });
    return String.fromCodePoint(FIRST + this.formulas.length - 1);
  }
}

/** `$5 for you and 10$` is none: it begins with a number and goes on with words. */
function isFormula({ opening }: Kind, tex: string): boolean {
  if (tex.trim() === '' || tex.length > MAX_FORMULA) return false;
  return opening !== '$' || !/^\d/.test(tex) || !/\s[a-z]{2,}/i.test(tex) || tex.includes('\\');
}

/** Splits a text at the characters that stand for formulas. */
export function splitAtFormulas(text: string, formulas: readonly Formula[]): (string | Formula)[] {
  return text
    .split(/([\u{F0000}-\u{FFFFD}])/u)
    .map((part) => formulas[part.codePointAt(0)! - FIRST] ?? part)
    .filter((part) => part !== '');
}

/** The text as it was: for code and addresses, where nothing is a formula. */
export function withoutFormulas(text: string, formulas: readonly Formula[]): string {
  if (!STANDS_FOR_FORMULA.test(text)) return text;
  return splitAtFormulas(text, formulas)
    .map((part) => (typeof part === 'string' ? part : part.source))
    .join('');
}

/** The TeX between the delimiters. */
export function texOf(source: string): string {
  const delimiter = source.startsWith('$') && !source.startsWith('$$') ? 1 : 2;
  return source.slice(delimiter, -delimiter).trim();
}
