import createDOMPurify, { type Config } from 'dompurify';
import {
  codeBlock,
  pointTo,
  readFromItsBeginning,
  setFormula,
  setLanguage,
  tableScroll,
} from './elements';
import { safeUrl } from './safe-url';

const TAGS =
  'a blockquote br code del em h1 h2 h3 h4 h5 h6 hr li ol p pre span strong table tbody td th thead tr ul';
/** Classes that `htmlBlocks` gives: a formula, a language, the colours of highlight.js (`hljs-title function_`). */
const CLASSES = /^(?:formula(?: display)?|language-[\w+#.-]+|hljs-[\w-]+(?: \w+_)*)$/;

const CONFIG = {
  ALLOWED_TAGS: TAGS.split(' '),
  ALLOWED_ATTR: ['align', 'class', 'href', 'start'],
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
} satisfies Config;

// An instance of its own: its hooks must not meet another use of the library.
const purifier = createDOMPurify(window);
purifier.addHook('uponSanitizeAttribute', (_element, attribute) => {
  if (attribute.attrName === 'class') attribute.keepAttr = CLASSES.test(attribute.attrValue);
});
purifier.addHook('afterSanitizeAttributes', (element) => {
  const href = safeUrl(element.getAttribute('href') ?? '');
  element.removeAttribute('href');
  if (href !== undefined && element.localName === 'a') pointTo(element, href);
});

/** The nodes of one block of `htmlBlocks`, with only what an answer may contain. */
export function sanitised(html: string): ChildNode[] {
  const fragment = purifier.sanitize(html, CONFIG);
  for (const formula of fragment.querySelectorAll<HTMLElement>('.formula')) setFormula(formula);
  for (const code of fragment.querySelectorAll('pre > code')) {
    const pre = code.parentElement!;
    const block = codeBlock(code);
    setLanguage(block, code.className.replace('language-', ''));
    pre.replaceWith(block);
  }
  for (const table of fragment.querySelectorAll('table')) {
    const { parentNode, nextSibling } = table;
    parentNode!.insertBefore(tableScroll(table), nextSibling);
  }
  for (const block of fragment.children) readFromItsBeginning(block);
  return [...fragment.childNodes].filter((node) => node.textContent !== '\n');
}
