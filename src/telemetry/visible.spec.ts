import { allVisible, visible } from './visible.js';

describe('what is logged is visible', () => {
  it.each([
    ['a\u202eb', 'a\\u{202e}b'],
    ['\u2066a\u2069', '\\u{2066}a\\u{2069}'],
    ['a\u200bb\u200d\ufeff', 'a\\u{200b}b\\u{200d}\\u{feff}'],
    ['\u001b[31mred', '\\u{1b}[31mred'],
    ['a\rb\u2028c\u2029\u0085', 'a\\u{d}b\\u{2028}c\\u{2029}\\u{85}'],
    ['\u{e0041}', '\\u{e0041}'],
    ['half \ud83d', 'half \\u{d83d}'],
    ['as it is: é 日本 🌍\n\tnext', 'as it is: é 日本 🌍\n\tnext'],
  ])('%j as %j', (text, shown) => expect(visible(text)).toBe(shown));

  it('in objects, their names and lists too', () => {
    expect(allVisible({ 'm\u202e': ['\u200b', { a: 1, b: null }] })).toEqual({
      'm\\u{202e}': ['\\u{200b}', { a: 1, b: null }],
    });
  });
});
