/** A character that a Markdown parser takes for a letter, and that stands in no text. */
const LETTER = '\ufdd2';

/** Letters and punctuation of Chinese, Japanese and Korean. */
const CJK = String.raw`\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}\u3000-\u303f\uff00-\uffef`;
const PUNCTUATION = String.raw`[\p{P}\p{S}]`;
const BEFORE_PUNCTUATION = new RegExp(
  String.raw`(?<=(?=\p{L})[${CJK}])(\*+)(?!\*)(?=${PUNCTUATION})`,
  'gu',
);
const AFTER_PUNCTUATION = new RegExp(
  String.raw`(?<=(?!\*)${PUNCTUATION})(\*+)(?=(?=\p{L})[${CJK}])`,
  'gu',
);
const BESIDE_CJK_PUNCTUATION = new RegExp(
  String.raw`(?<=(?![\p{L}])[${CJK}])(\*+)(?=[\p{L}\p{N}])`,
  'gu',
);

/**
 * CommonMark takes `**「x」**y` for no bold text, because of the punctuation beside the `**`: it counts
 * on spaces between words. Where there are none, the punctuation is kept apart by a letter.
 */
export function withCjkEmphasis(text: string): string {
  return text
    .replaceAll(LETTER, '')
    .replace(BEFORE_PUNCTUATION, `$1${LETTER}`)
    .replace(AFTER_PUNCTUATION, `${LETTER}$1`)
    .replace(BESIDE_CJK_PUNCTUATION, `${LETTER}$1`);
}

/** Takes the letters out again. */
export function withoutLetters(html: string): string {
  return html.replaceAll(LETTER, '');
}
