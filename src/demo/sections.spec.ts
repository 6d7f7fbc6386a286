import { sectionsOf } from './sections.js';

const titles = (markdown: string) =>
  sectionsOf('a.md', markdown).map(({ path }) => path.join(' > '));
const text = (markdown: string) => sectionsOf('a.md', markdown)[0]?.text;

describe('the sections of a document', () => {
  it('are what stands below each heading, with the headings above it', () => {
    const markdown = '# A\n\nfirst\n\n## B\n\nsecond\n\n### C\n\nthird\n\n## D ##\n\nfourth\n';
    expect(sectionsOf('docs/a.md', markdown)).toEqual([
      { file: 'docs/a.md', path: ['A'], text: 'first' },
      { file: 'docs/a.md', path: ['A', 'B'], text: 'second' },
      { file: 'docs/a.md', path: ['A', 'B', 'C'], text: 'third' },
      { file: 'docs/a.md', path: ['A', 'D'], text: 'fourth' },
    ]);
  });

  it.each([
    ['of three backticks', '```sh\n# no heading\n```'],
    ['of tildes', '~~~\n# no heading\n~~~'],
    ['with a shorter fence inside', '````md\n```\n# no heading\n```\n````'],
    ['that never ends', '```\n# no heading'],
  ])('are not cut inside code %s', (_, code) => {
    expect(sectionsOf('a.md', `# A\n\n${code}`)).toEqual([
      { file: 'a.md', path: ['A'], text: code },
    ]);
  });

  it('begin again after code', () => {
    expect(titles('# A\n\n```\n# no\n```\n\n# B\n\ntext')).toEqual(['A', 'B']);
  });

  it('without text are left out, and a level may be skipped', () => {
    expect(titles('# A\n\n## Empty\n\n#### Deep\n\ntext')).toEqual(['A > Empty > Deep']);
    expect(titles('# A\n\n### Deep\n\ntext')).toEqual(['A > Deep']);
  });

  it('are the paragraphs with a bold beginning where a document has no other headings', () => {
    expect(
      sectionsOf('a.md', '# A\n\n**Why `x`.** Because.\n\nAnd so on.\n\n**How.** So.'),
    ).toEqual([
      { file: 'a.md', path: ['A', 'Why x'], text: 'Because.\n\nAnd so on.' },
      { file: 'a.md', path: ['A', 'How'], text: 'So.' },
    ]);
    expect(titles('# A\n\n## B\n\n**Why.** Because.')).toEqual(['A > B']);
  });

  it('have no comments, images, HTML and links to other files, but keep those of the web', () => {
    const markdown =
      '# A\n\n<!-- x\ny -->see [b](b.md), [c](#c), ![d](d.png)<br><p align="center">[e](https://e.example)</p>';
    expect(text(markdown)).toBe('see b, c, [e](https://e.example)');
  });

  it('keep code as it stands', () => {
    const code = '```html\n<p>[x](y)</p>\n|  a  |\n```';
    expect(text(`# A\n\n${code}`)).toBe(code);
  });

  it('have tables without the blanks that align their source', () => {
    const table = '| a     | b    |\n| ----- | ---- |\n| 1     | 2    |';
    expect(text(`# A\n\n${table}`)).toBe('| a | b |\n| --- | --- |\n| 1 | 2 |');
  });
});
