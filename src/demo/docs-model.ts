import { DocsIndex } from './docs-index.js';
import { excerptOf } from './excerpt.js';
import type { Section } from './sections.js';

/** Questions to start with; each has a good answer. */
export const QUESTIONS = [
  'What happens when my phone locks in the middle of an answer?',
  'How do I use it with Vue?',
  'How is its speed measured?',
] as const;

/** The one of them whose answer takes longer than the demo can keep a page offline. */
export const LONG_QUESTION = QUESTIONS[2];

/** Below this, what was found is an accident. */
const LEAST_WEIGHT = 3;
/** Most sections that an answer points to. */
const RELATED = 2;

const GO_ON = /^\W*(?:more|next|continue|go on|and then|tell me more|read on)\W*$/i;
/** A greeting, or a question about the model itself. */
const TO_ME =
  /^\W*(?:hi|hey|hello|help|thanks|thank you)\W*$|^\W*(?:who|what) are you\b|\bare you (?:an?|real|human|the)\b/i;

/** The word with which somebody begins in another language. */
const ELSEWHERE =
  /^\W*(?:hola|bonjour|salut|coucou|hallo|guten tag|servus|moin|ciao|salve|ol[aá]|oi|hej|hei|ahoj|cze[sś][cć]|merhaba|selam|namaste|salam|shalom|konnichiwa|privet)(?!\p{L})/iu;
/** What is written in another script has no word that the documents have. */
const OTHER_SCRIPT = /^[^\p{Script=Latin}]*\p{L}[^\p{Script=Latin}]*$/u;

const KIND =
  'Hello, and welcome! I would like to answer in your language, but I only have these documents, ' +
  'and they are in English.';

const WHAT_I_AM =
  'I am not a language model. I am the `demo` model of llm-cast: I look your question up in ' +
  'its documents, and recite the section that fits best.';

/**
 * The demo's model: answers from sections of documents. "More" goes on with the one after the last.
 * @returns what it says to what the user has said, oldest first
 */
export function docsModel(sections: readonly Section[]): (asked: readonly string[]) => string {
  const index = new DocsIndex(sections);

  return (asked) => {
    const at = asked.findLastIndex((said) => !GO_ON.test(said));
    const question = asked[at] ?? '';
    if (TO_ME.test(question)) return introduction(WHAT_I_AM);
    if (ELSEWHERE.test(question) || OTHER_SCRIPT.test(question)) {
      return introduction(`${KIND} ${WHAT_I_AM}`);
    }
    const hits = index.find(question);
    const [best] = hits;
    if (best === undefined || best.weight < LEAST_WEIGHT) {
      return introduction(`I have found nothing on that. ${WHAT_I_AM}`);
    }
    const section = index.after(best.section, asked.length - 1 - at);
    if (section === undefined) return introduction('That was the last section.');
    const related = hits
      .map((hit) => hit.section)
      .filter((other) => other !== section && other.path.length > 1)
      .slice(0, RELATED);
    return answer(section, best.words, related);
  };
}

function answer(section: Section, words: readonly string[], related: readonly Section[]): string {
  const { text, isCut } = excerptOf(section.text, words);
  const { file } = section;
  return [
    `From \`${file}\`, **${section.path.join(' › ')}**:`,
    text,
    ...(isCut ? [`*There is more of this section in \`${file}\`.*`] : []),
    '---',
    `I am not a language model; I looked that up. ${suggestion(related)}`,
  ].join('\n\n');
}

function suggestion(related: readonly Section[]): string {
  const titles = related.map(({ path }) => `**${path.at(-1)}**`);
  if (titles.length === 0) return 'Say “more” for the section after it.';
  return `Ask me about ${titles.join(' or ')}, or say “more” for the section after it.`;
}

const introduction = (sentence: string): string =>
  [sentence, 'Ask me, for example:', QUESTIONS.map((question) => `- ${question}`).join('\n')].join(
    '\n\n',
  );
