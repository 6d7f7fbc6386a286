import { Marked } from 'marked';
import { languageOf } from './elements';
import { withCjkEmphasis, withoutLetters } from './emphasis';
import { type Formula, FormulaScanner, splitAtFormulas, withoutFormulas } from './formulas';
import { safeUrl } from './safe-url';

/** Colours code: its HTML; undefined when it does not know the language. */
export type Colour = (code: string, language: string) => string | undefined;

/**
 * The HTML of each block (paragraph, list, code block …) of a Markdown text, to be sanitised. Formulas
 * stand in it as they are written.
 * @throws Error on nesting so deep that the stack does not hold it
 */
export function htmlBlocks(text: string, colour: Colour): string[] {
  const scanner = new FormulaScanner();
  const scanned = scanner.write(text) + scanner.end();
  const marked = parser(scanner.formulas, colour);
  return marked
    .lexer(withCjkEmphasis(scanned))
    .map((token) => withFormulas(withoutLetters(marked.parser([token])), scanner.formulas))
    .filter((html) => html !== '');
}

function parser(formulas: readonly Formula[], colour: Colour): Marked {
  const verbatim = (text: string): string => withoutFormulas(withoutLetters(text), formulas);
  return new Marked({ gfm: true, breaks: true }).use({
    tokenizer: {
      // Models write of HTML more often than in it: tags are text, as they were while streaming.
      html: () => undefined,
      tag: (tag) => (/^<br *\/?>/.test(tag) ? false : undefined),
    },
    renderer: {
      code({ text, lang = '' }) {
        const language = languageOf(lang);
        const code = verbatim(text);
        const content = colour(code, language) ?? escapeHtml(code);
        const attribute = language === '' ? '' : ` class="language-${language}"`;
        return `<pre><code${attribute}>${content}</code></pre>`;
      },
      codespan: ({ text }) => `<code>${escapeHtml(verbatim(text))}</code>`,
      link({ href, tokens }) {
        const content = this.parser.parseInline(tokens).replace(/<\/?a\b[^>]*>/g, '');
        return anchor(verbatim(href), content) ?? content;
      },
      image({ href, text }) {
        const alternative = escapeHtml(text);
        const address = verbatim(href);
        const source = anchor(address, escapeHtml(safeUrl(address) ?? ''));
        if (source === undefined || alternative === '') return source ?? alternative;
        return `${alternative} (${source})`;
      },
      checkbox: ({ checked }) => `<span>${checked ? '☑' : '☐'}</span> `,
    },
  });
}

function withFormulas(html: string, formulas: readonly Formula[]): string {
  return splitAtFormulas(html, formulas)
    .map((part) => {
      if (typeof part === 'string') return part;
      const { source, isDisplay } = part;
      return `<span class="formula${isDisplay ? ' display' : ''}">${escapeHtml(source)}</span>`;
    })
    .join('');
}

function anchor(address: string, content: string): string | undefined {
  const href = safeUrl(address);
  return href === undefined ? undefined : `<a href="${escapeHtml(href)}">${content}</a>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
