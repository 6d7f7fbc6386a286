import hljs from 'highlight.js/lib/common';
import { Marked } from 'marked';
import { languageOf } from './elements';
import { safeUrl } from './safe-url';

/** Longest code that is coloured, in characters: each of its words becomes an element. */
const MAX_COLOURED = 8_000;

const marked = new Marked({ gfm: true, breaks: true }).use({
  tokenizer: {
    // Models write of HTML more often than in it: tags are text, as they were while streaming.
    html: () => undefined,
    tag: (tag) => (/^<br *\/?>/.test(tag) ? false : undefined),
  },
  renderer: {
    code({ text, lang = '' }) {
      const language = languageOf(lang);
      const isColoured = text.length <= MAX_COLOURED && hljs.getLanguage(language) !== undefined;
      const content = isColoured
        ? hljs.highlight(text, { language, ignoreIllegals: true }).value
        : escapeHtml(text);
      const attribute = language === '' ? '' : ` class="language-${language}"`;
      return `<pre><code${attribute}>${content}</code></pre>`;
    },
    link({ href, tokens }) {
      const content = this.parser.parseInline(tokens).replace(/<\/?a\b[^>]*>/g, '');
      return anchor(href, content) ?? content;
    },
    image({ href, text }) {
      const alternative = escapeHtml(text);
      const source = anchor(href, escapeHtml(safeUrl(href) ?? ''));
      if (source === undefined || alternative === '') return source ?? alternative;
      return `${alternative} (${source})`;
    },
    checkbox: ({ checked }) => `<span>${checked ? '☑' : '☐'}</span> `,
  },
});

/**
 * The HTML of each block (paragraph, list, code block …) of a Markdown text, with coloured code, to
 * be sanitised.
 * @throws Error on nesting so deep that the stack does not hold it
 */
export function htmlBlocks(text: string): string[] {
  return marked
    .lexer(text)
    .map((token) => marked.parser([token]))
    .filter((html) => html !== '');
}

function anchor(address: string, content: string): string | undefined {
  const href = safeUrl(address);
  return href === undefined ? undefined : `<a href="${escapeHtml(href)}">${content}</a>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
