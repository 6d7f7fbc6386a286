import MiniSearch from 'minisearch';
import type { Section } from './sections.js';

/** A section that was found. */
export interface Hit {
  section: Section;
  /** How much speaks for it, from 0: not by this, but by the search's own score they are sorted. */
  weight: number;
  /** The words of the section that the question has found, in lower case. */
  words: readonly string[];
}

/** Words that say nothing about what a question is about; the sky is the documents' own example. */
const STOP_WORDS = new Set(
  `a about also am an and any anything are as at be been best blue but by can cast could did
  do does else for from get gets give had happen happens has have hello hey hi how i if in is
  it its just know let like llm long make many may me mean means much must my need no not of
  on one or our out please run runs say says server shall should sky so some something support
  supports tell than thanks that the their them then there these they thing things this to use
  used using want was way we were what whats when where which who why will with work works
  would you your`.split(/\s+/),
);

const PRODUCT = new Set(['llm', 'cast']);

/** Names that only the table has that compares llm-cast with others. */
const COMPARED = 'centrifugo librechat resumable';

/** What people say, and the documents' words for it. */
const SYNONYMS = new Map(
  Object.entries({
    alternative: COMPARED,
    auth: 'users security',
    benchmark: 'bench measured',
    big: 'limits',
    checksum: 'sha256 proof',
    compare: COMPARED,
    crash: 'truncated broke stopping',
    competitor: COMPARED,
    deploy: 'docker systemd nginx',
    fast: 'p99 seen',
    gpu: 'demo',
    install: 'npm',
    k8s: 'kubernetes',
    kill: 'stopping sigterm',
    large: 'limits',
    lock: 'connections lost disconnect',
    login: 'users security',
    memory: 'sizing',
    offline: 'connections lost disconnect',
    photo: 'images',
    picture: 'images',
    phone: 'connections lost disconnect',
    ram: 'sizing memory',
    reconnect: 'connections lost join',
    restart: 'stopping',
    resume: 'connections lost join',
    retry: 'retryable idempotency',
    secure: 'security guards',
    serve: 'carries sizing',
    shut: 'stopping sigterm',
    speed: 'p99 seen',
    start: 'demo commands',
    stop: 'cancel',
    tunnel: 'connections lost disconnect',
    twice: 'idempotency',
    versus: COMPARED,
    vision: 'images',
  }).map(([said, meant]) => [stem(said), meant.split(' ').map(stem)]),
);

/** Finds the sections that a question is about. */
export class DocsIndex {
  private readonly search: MiniSearch;

  constructor(private readonly sections: readonly Section[]) {
    this.search = new MiniSearch({
      fields: ['title', 'parents', 'names', 'text'],
      storeFields: ['file'],
      tokenize: wordsOf,
      processTerm: stem,
      searchOptions: {
        boost: { title: 4, names: 1.5, parents: 0.5 },
        prefix: (term) => term.length > 3,
        fuzzy: (term) => (term.length > 4 ? 0.2 : false),
        weights: { prefix: 0.1, fuzzy: 0.1 },
        // A long table is about each of its rows: its length is no reason to think less of it.
        bm25: { k: 1.2, b: 0.4, d: 0.5 },
        // What it gets are words already, as the index has them.
        tokenize: (words) => words.split(' '),
        processTerm: (word) => word,
      },
    });
    this.search.addAll(
      sections.map(({ file, path, text }, id) => ({
        id,
        file,
        title: path.at(-1) ?? '',
        parents: path.slice(0, -1).join(' '),
        names: [...text.matchAll(NAME)].map(([name]) => name).join(' '),
        text,
      })),
    );
  }

  /** The sections in which words of the question are, the best first. */
  find(question: string): Hit[] {
    // "Why not X?" asks how X compares, and not for a reason.
    const asksWhy = /^\s*why\b(?! not\b| (?:should|would) )/i.test(question);
    const weights: Readonly<Record<string, number>> = {
      // Beginners ask it; what it says briefly, the others say at length.
      'README.md': 1.2,
      'docs/performance.md': 0.6,
      // For people who change llm-cast, and for those who come from the tutorial.
      'docs/architecture.md': 0.4,
      'docs/migration.md': 0.6,
    };
    const weightOf = (file: string): number =>
      file.startsWith('docs/decisions/') ? (asksWhy ? 4 : 0.3) : (weights[file] ?? 1);
    const boostDocument = (_id: number, _word: string, stored?: Record<string, unknown>): number =>
      weightOf(String(stored?.['file']));
    const words = wordsOf(question);
    const telling = words.filter((word) => !STOP_WORDS.has(word));
    if (/^\s*why not\b/i.test(question)) telling.push('versus');
    // Everything here is about llm-cast, so its name tells only where nothing else does.
    const named = words.filter((word) => PRODUCT.has(word));
    const asked = (telling.length > 0 ? telling : named).map(meaningsOf);
    return this.search
      .search(asked.flat().join(' '), { boostDocument })
      .map(({ id, score, match, queryTerms }) => {
        const found = asked.filter((meanings) => meanings.some((one) => queryTerms.includes(one)));
        return {
          section: this.sections[Number(id)]!,
          // One rare word of a long question says little.
          weight: (score * found.length) / asked.length,
          words: Object.keys(match),
        };
      });
  }

  /** The section that stands so many after this one in the documents. */
  after(section: Section, steps: number): Section | undefined {
    return this.sections[this.sections.indexOf(section) + steps];
  }
}

/** What a section is about besides its title: what it prints bold, and which settings and codes its tables list. */
const NAME = /\*\*[^*]+\*\*|^\| `\w+_\w+`/gm;

/** The words of a text; `MAX_QUEUE` is one, and in running text so are its parts. */
function wordsOf(text: string, field?: string): string[] {
  const words = text.toLowerCase().match(/[\p{N}_]*\p{L}[\p{L}\p{N}_]*/gu) ?? [];
  if (field === 'names') return words;
  return words.flatMap((word) => (word.includes('_') ? [word, ...word.split('_')] : [word]));
}

/** What a word of a question may stand as in the documents. */
const meaningsOf = (word: string): string[] => [stem(word), ...(SYNONYMS.get(stem(word)) ?? [])];

/** Cuts endings off, so that "streams", "streamed" and "streaming" are one word. */
function stem(word: string): string {
  return word.replace(/(?<=.{4})(?:ings?|ed|es|e)$|(?<=.{3})s$/, '');
}
