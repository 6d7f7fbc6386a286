import * as smd from 'streaming-markdown';
import { colourCode } from './colour-code';
import { fixColumns } from './columns';
import { drawFormula } from './draw-formulas';
import {
  codeBlock,
  formulaElement,
  guessDirection,
  languageOf,
  pointTo,
  readFromItsBeginning,
  setLanguage,
  tableScroll,
} from './elements';
import { FormulaScanner, splitAtFormulas, withoutFormulas } from './formulas';
import { safeUrl } from './safe-url';

/** Deepest nesting that is drawn; what is nested deeper goes into the deepest element. */
const MAX_DEPTH = 40;

/** Tokens that are one element and nothing more. */
const TAGS: Partial<Record<smd.Token, keyof HTMLElementTagNameMap>> = {
  [smd.PARAGRAPH]: 'p',
  [smd.HEADING_1]: 'h1',
  [smd.HEADING_2]: 'h2',
  [smd.HEADING_3]: 'h3',
  [smd.HEADING_4]: 'h4',
  [smd.HEADING_5]: 'h5',
  [smd.HEADING_6]: 'h6',
  [smd.CODE_INLINE]: 'code',
  [smd.ITALIC_AST]: 'em',
  [smd.ITALIC_UND]: 'em',
  [smd.STRONG_AST]: 'strong',
  [smd.STRONG_UND]: 'strong',
  [smd.STRIKE]: 'del',
  [smd.BLOCKQUOTE]: 'blockquote',
  [smd.LINE_BREAK]: 'br',
  [smd.RULE]: 'hr',
  [smd.LIST_UNORDERED]: 'ul',
  [smd.LIST_ITEM]: 'li',
};

/** An element that is being written. */
interface Open {
  element: Element;
  /** What its one attribute means: an address, a language, the first number of a list. */
  set?: (value: string) => void;
  /** What is left to do when it is complete. */
  end?: () => unknown;
}

/**
 * Draws Markdown while it arrives: it only appends, in time that grows with the new text alone.
 *
 * Safe by construction: the elements are those made here, text is only ever text, and an address goes
 * through `safeUrl`. Images are not loaded: their address alone could carry a conversation away.
 */
export class StreamedMarkdown {
  private readonly parser: smd.Parser;
  private readonly open: Open[];
  private drawn = '';
  /** Then what comes in the place of this brings the colours. */
  private isWhole = false;
  /** The block of the answer that is being written. */
  private block: Element | undefined;
  private readonly scanner = new FormulaScanner();
  /** What may become a formula, as it is written, at the end of the text. */
  private readonly held = new Text();
  /** Of the current element, not drawn yet: one change of the page for many characters. */
  private text = '';

  /** @param root loses what it holds */
  constructor(root: Element) {
    root.replaceChildren();
    this.open = [{ element: root }];
    this.parser = smd.parser({
      data: this,
      add_token: (_data, token) => this.start(token),
      end_token: () => this.finishElement(),
      add_text: (_data, text) => (this.text += text),
      set_attr: (_data, _attribute, value) =>
        this.current.set?.(withoutFormulas(value, this.scanner.formulas)),
    });
  }

  /** Whether `text` begins with all that is drawn. */
  isContinuedBy(text: string): boolean {
    return text.startsWith(this.drawn);
  }

  /**
   * Draws what `text` has behind what is drawn. Its last characters may wait: they can be syntax.
   * @param isWhole nothing follows
   */
  draw(text: string, isWhole = false): void {
    this.isWhole = isWhole;
    // Half of an emoji waits for the other half.
    const whole = text.replace(/[\uD800-\uDBFF]$/, '');
    this.held.remove();
    this.parse(this.scanner.write(whole.slice(this.drawn.length).replaceAll('\r', '')));
    this.flush();
    this.held.data = this.scanner.held && this.waitingSpace() + this.scanner.held;
    if (this.held.data !== '') this.current.element.append(this.held);
    this.drawn = whole;
  }

  /** Draws the characters that have waited. Nothing can be drawn after it. */
  end(): void {
    this.held.remove();
    this.parse(this.scanner.end());
    smd.parser_end(this.parser);
    this.flush();
  }

  /** A space that the parser keeps back, because it may be the first of an indentation. */
  private waitingSpace(): string {
    return this.parser.pending === ' ' ? ' ' : '';
  }

  private parse(text: string): void {
    // By itself, the parser gives some texts to different elements when it gets them in other chunks.
    for (const character of text) smd.parser_write(this.parser, character);
  }

  private get current(): Open {
    return this.open.at(-1)!;
  }

  private start(token: smd.Token): void {
    this.flush();
    if (token === smd.EQUATION_INLINE || token === smd.EQUATION_BLOCK) this.refuseEquation(token);
    else if (this.open.length > MAX_DEPTH) this.open.push({ element: this.current.element });
    else this.open.push(this.make(token));
  }

  private finishElement(): void {
    this.flush();
    this.open.pop()?.end?.();
    if (this.open.length > 1 || this.block === undefined) return;
    readFromItsBeginning(this.block);
    this.block = undefined;
  }

  /** Makes the element of a token and puts it in its place. */
  private make(token: smd.Token): Open {
    const tag = TAGS[token];
    if (tag !== undefined) return { element: this.add(document.createElement(tag)) };
    switch (token) {
      case smd.LIST_ORDERED: {
        const list = this.add(document.createElement('ol'));
        // As many digits as CommonMark allows.
        return { element: list, set: (first) => list.setAttribute('start', first.slice(0, 9)) };
      }
      case smd.CHECKBOX: {
        const box = this.add(document.createElement('span'));
        box.textContent = '☐';
        return { element: box, set: () => (box.textContent = '☑') };
      }
      case smd.CODE_BLOCK:
      case smd.CODE_FENCE: {
        const code = document.createElement('code');
        const block = this.add(codeBlock(code));
        return {
          element: code,
          set: (info) => setLanguage(block, languageOf(info)),
          end: () => this.isWhole || colourCode(code),
        };
      }
      case smd.LINK:
      case smd.RAW_URL:
        return this.makeLink();
      case smd.IMAGE:
        return this.makeImage();
      case smd.TABLE: {
        const table = document.createElement('table');
        this.add(tableScroll(table));
        return { element: table };
      }
      case smd.TABLE_ROW: {
        const table = this.current.element as HTMLTableElement;
        const part = table.firstElementChild === null ? 'thead' : 'tbody';
        const group =
          table.querySelector(`:scope > ${part}`) ?? this.add(document.createElement(part));
        return {
          element: group.appendChild(document.createElement('tr')),
          // From the first row on, no other one moves the columns.
          end: () => part === 'tbody' && group.childElementCount === 1 && fixColumns(table),
        };
      }
      case smd.TABLE_CELL: {
        const isHead = this.current.element.parentElement?.localName === 'thead';
        return { element: this.add(document.createElement(isHead ? 'th' : 'td')) };
      }
      default:
        return { element: this.current.element };
    }
  }

  private makeLink(): Open {
    return this.makeAddressed('a', '[', (anchor, href) => {
      if (href === undefined || isInLink(anchor)) unwrap(anchor);
      else pointTo(anchor, href);
    });
  }

  /** What an image shows, and its address as a link. */
  private makeImage(): Open {
    return this.makeAddressed('span', '![', (place, href) => {
      if (href === undefined) return unwrap(place);
      const source = isInLink(place) ? href : linkTo(href);
      if (place.hasChildNodes()) unwrap(place, '', ' (', source, ')');
      else unwrap(place, '', source);
    });
  }

  /** @param end gets the address if a link may go there */
  private makeAddressed(
    tag: 'a' | 'span',
    opening: string,
    end: (element: Element, href: string | undefined) => void,
  ): Open {
    const element = this.add(document.createElement(tag));
    let address: string | undefined;
    return {
      element,
      set: (given) => (address = given),
      end: () => {
        if (address === undefined) unwrap(element, opening, this.closing());
        else end(element, safeUrl(destination(address)));
      },
    };
  }

  /** A `[` that no address follows was text: `list[0]`. Its `]` is there unless its paragraph ended. */
  private closing(): string {
    return this.parser.pending.startsWith(']') ? ']' : '';
  }

  /**
   * The parser gets each formula as one character. What it takes for the beginning of an equation all
   * the same is none, as in `$PATH`, and all the rest would belong to it. So it is made to forget that
   * it began, and goes on with text, as CommonMark would.
   */
  private refuseEquation(token: smd.Token): void {
    this.parser.len -= 1;
    this.parser.token = this.parser.tokens[this.parser.len]!;
    const opening = this.parser.pending.replace('\\', '');
    if (token === smd.EQUATION_INLINE) this.text = opening === '' ? '(' : opening;
    else {
      this.text = opening;
      this.flush();
      this.add(document.createElement('br'));
    }
  }

  private add<E extends Element>(element: E): E {
    if (this.open.length === 1) this.block = element;
    return this.current.element.appendChild(element);
  }

  private flush(): void {
    if (this.text === '') return;
    const { element } = this.current;
    if (this.block !== undefined) guessDirection(this.block, this.text);
    const { formulas } = this.scanner;
    const parts = element.closest('code')
      ? [withoutFormulas(this.text, formulas)]
      : splitAtFormulas(this.text, formulas);
    for (const part of parts) {
      const { lastChild } = element;
      if (typeof part !== 'string') drawFormula(element.appendChild(formulaElement(part)));
      else if (lastChild instanceof Text) lastChild.appendData(part);
      else element.append(part);
    }
    this.text = '';
  }
}

/** The address in `(address "title")` or `(<address>)`. */
function destination(given: string): string {
  return /^\s*<?([^\s>]*)/.exec(given)![1]!;
}

function linkTo(href: string): Element {
  const anchor = document.createElement('a');
  anchor.textContent = href;
  pointTo(anchor, href);
  return anchor;
}

function isInLink(element: Element): boolean {
  return element.parentElement!.closest('a') !== null;
}

/** Leaves the content of an element in its place, between what else is given. */
function unwrap(element: Element, before = '', ...after: (Element | string)[]): void {
  const content = [before, ...element.childNodes, ...after];
  element.replaceWith(...content.filter((node) => node !== ''));
}
