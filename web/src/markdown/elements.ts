// The elements that both renderings share, so that the finished one replaces the streamed one
// without a jump.

/** Makes a link of `anchor`, to another site, which learns nothing of this page. */
export function pointTo(anchor: Element, href: string): void {
  anchor.setAttribute('href', href);
  anchor.setAttribute('rel', 'noopener noreferrer');
  anchor.setAttribute('target', '_blank');
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
  return element('div', 'code-block', element('div', 'code-bar', language, copy), pre);
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
