import { tokenise } from '../fake-ollama/tokens.js';
import { LONG_QUESTION, QUESTIONS, docsModel } from './docs-model.js';
import { documents } from './documents.js';
import { EXCERPT_CHARS } from './excerpt.js';
import { sectionsOf } from './sections.js';

/** What 10 s offline and some seconds around them take, at the 40 tokens a second of the demo. */
const LONG_TOKENS = 15 * 40;
const ADMITS = /I am not a language model/;

describe('the demo model on the documents of llm-cast', () => {
  const model = docsModel(documents());

  it('says where the section is from, recites it, and points to two more', () => {
    const said = model(['How do I cancel a generation?']);
    const [, body] = /^From `docs\/protocol\.md`, \*\*.* › Cancel\*\*:\n\n(.*?)\n\n---\n/s.exec(
      said,
    )!;
    const cancel = documents().find(({ path }) => path.at(-1) === 'Cancel');
    expect(body).toBe(cancel?.text);
    expect(said.slice(said.indexOf(body!) + body!.length)).toMatch(
      /Ask me about \*\*.+\*\* or \*\*.+\*\*/,
    );
  });

  it.each([...QUESTIONS, 'hello', 'who are you?', 'What is the capital of France?'])(
    'admits to be no language model, asked %j',
    (question) => {
      expect(model([question])).toMatch(ADMITS);
    },
  );

  it('answers the long question for longer than it can be kept offline', () => {
    expect(tokenise(model([LONG_QUESTION])).length).toBeGreaterThan(LONG_TOKENS);
  });

  it.each(['Hola', '¡Hola! ¿Qué tal?', 'Bonjour', 'Guten Tag!', 'olá', 'Привет', '你好', 'مرحبا'])(
    'is kind to somebody who begins in another language: %s',
    (greeting) => {
      const said = model([greeting]);
      expect(said).toMatch(/^Hello, and welcome! .* they are in English\./);
      for (const suggested of QUESTIONS) expect(said).toContain(suggested);
    },
  );

  it.each(['holographic', 'salvage', 'hello', 'oil'])('takes %s for English', (word) => {
    expect(model([word])).not.toMatch(/^Hello, and welcome!/);
  });

  it.each(QUESTIONS)('has a section for the question that it suggests: %j', (question) => {
    expect(model([question])).toMatch(/^From `[\w/]+\.md`, \*\*/);
  });

  it.each([
    'What is the capital of France?',
    'why is the sky blue?',
    'write a poem about cats',
    'what is 2+2',
    '',
  ])('says that it has found nothing, and what may be asked, asked %j', (question) => {
    const said = model([question]);
    expect(said).toMatch(/^I have found nothing on that\./);
    for (const suggested of QUESTIONS) expect(said).toContain(suggested);
  });

  it('shows the row of a long table that was asked for', () => {
    const said = model(['What does the error code queue_full mean?']);
    expect(said).toContain('| `queue_full` | 503 | yes |');
    expect(said.split('\n').filter((line) => line.startsWith('|'))).toHaveLength(3);
    expect(said).toContain('There is more of this section in `docs/protocol.md`');
  });

  it('goes on with the next section as long as it is asked for more', () => {
    const all = documents();
    const at = all.findIndex(({ path }) => path.at(-1) === 'Cancel');
    const heading = (asked: string[]) => /^From `(.*)`, \*\*(.*)\*\*:/.exec(model(asked))?.slice(1);
    const expected = [0, 1, 2].map((k) => [all[at + k]!.file, all[at + k]!.path.join(' › ')]);
    const question = 'How do I cancel a generation?';
    expect([
      heading([question]),
      heading(['docker', question, 'more']),
      heading([question, 'More', 'go on!']),
    ]).toEqual(expected);
  });

  it('answers within its bounds, whatever is asked for', () => {
    for (const { path } of documents()) {
      expect(model([path.at(-1)!]).length).toBeLessThan(EXCERPT_CHARS + 500);
    }
  });
});

describe('the demo model on a document', () => {
  // A word that is everywhere says nothing, so there have to be other sections.
  const others = Array.from({ length: 20 }, (_, at) => `## Other ${at}\n\nwater`).join('\n\n');
  const model = (markdown: string) =>
    docsModel(sectionsOf('a.md', `# T\n\n${others}\n\n## Apples\n\n${markdown}`));

  it('cuts a long section between its blocks, never inside code', () => {
    const blocks = [
      'a'.repeat(1_000),
      `\`\`\`\n${'b'.repeat(600)}\n\n${'c'.repeat(600)}\n\`\`\``,
      'd'.repeat(1_500),
    ];
    const said = model(blocks.join('\n\n'))(['apples']);
    expect(said).toContain(blocks[0]);
    expect(said).toContain(blocks[1]);
    expect(said).not.toContain('ddd');
    expect(said).toContain('There is more of this section in `a.md`');
  });

  it('shows the first rows of a long table where none is asked for', () => {
    const rows = Array.from({ length: 40 }, (_, at) => `| row${at} |`);
    const said = model(['| head |', '| --- |', ...rows].join('\n'))(['apples']);
    expect(said.match(/\| row\d+ \|/g)).toEqual(rows.slice(0, 12));
  });

  it('has no more after the last section', () => {
    expect(model('red')(['apples', 'more'])).toMatch(/^That was the last section/);
  });
});
