import type { Formula } from './formulas';

const RIGHT_TO_LEFT =
  /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

// The elements that both renderings share, so that the finished one replaces the streamed one
// without a jump.

/** Makes a link of `anchor`, to another site, which learns nothing of this page. */
export function pointTo(anchor: Element, href: string): void {
  anchor.setAttribute('href', href);
  anchor.setAttribute('rel', 'noopener noreferrer');
  anchor.setAttribute('target', '_blank');
}

/** A block is read from right to left when it begins so. What it holds follows. */
export function readFromItsBeginning(block: Element): void {
  // Code is read from left to right.
  if (block.className !== 'code-block') block.setAttribute('dir', 'auto');
}

/**
 * The same for a block that grows: with `dir="auto"`, each new part of it would cost the browser a look
 * at all the others.
 */
export function guessDirection(block: Element, text: string): void {
  const [first] = /\p{L}/u.exec(text) ?? [];
  if (first === undefined || block.hasAttribute('dir')) return;
  block.setAttribute('dir', RIGHT_TO_LEFT.test(first) ? 'rtl' : 'ltr');
}

/** A code block around its `<code>`: a bar with the language and the copy button, then the code. */
export function codeBlock(code: Element): HTMLElement {
  const language = element('span', 'code-language');
  const copy = element('button', 'code-copy', 'Copy');
  copy.type = 'button';
  copy.setAttribute('aria-label', 'Copy code');
  const pre = element('pre', '', code);
  // What scrolls must be reachable by keyboard.
  pre.tabIndex = 0;
  const block = element('div', 'code-block', element('div', 'code-bar', language, copy), pre);
  block.dir = 'ltr';
  return block;
}

/** @param language as in `languageOf` */
export function setLanguage(block: Element, language: string): void {
  if (language === '') return;
  block.querySelector('.code-language')!.textContent = language;
  block.querySelector('code')!.className = `language-${language}`;
}

/** The language of a fence's info string (`js title="a.js"` is `js`), '' when it names none. */
export function languageOf(info: string): string {
  return /^[\w+#.-]{1,30}/.exec(info.trim())?.[0] ?? '';
}

/** A box of its own for a wide table to scroll in. */
export function tableScroll(table: Element): HTMLElement {
  const scroll = element('div', 'table-scroll', table);
  scroll.tabIndex = 0;
  scroll.setAttribute('role', 'region');
  scroll.setAttribute('aria-label', 'Table');
  return scroll;
}

/** A formula as it is written; `drawFormulas` draws it. */
export function formulaElement({ source, isDisplay }: Formula): HTMLElement {
  const formula = element('span', isDisplay ? 'formula display' : 'formula', source);
  setFormula(formula);
  return formula;
}

export function setFormula(formula: HTMLElement): void {
  // It is read from left to right in any text.
  formula.dir = 'ltr';
  // One that is too wide scrolls.
  if (formula.classList.contains('display')) formula.tabIndex = 0;
}

function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  className: string,
  ...content: (Element | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  if (className !== '') made.className = className;
  made.append(...content);
  return made;
}
