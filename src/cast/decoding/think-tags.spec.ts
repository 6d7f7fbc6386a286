import * as fc from 'fast-check';
import { cutText } from '../../../test/support/cut.js';
import { ThinkTags } from './think-tags.js';

/** What the pieces say, neighbours of one kind joined. */
function read(pieces: readonly string[]): { thinking: string; text: string; order: string[] } {
  const tags = new ThinkTags();
  const said = { thinking: '', text: '', order: [] as string[] };
  const tell = (type: 'text' | 'thinking', text: string): void => {
    expect(text).not.toBe('');
    said[type] += text;
    if (said.order.at(-1) !== type) said.order.push(type);
  };
  for (const piece of pieces) tags.push(piece, tell);
  tags.end(tell);
  return said;
}

type Row = [wire: string, thinking: string, text: string];

const table: Row[] = [
  ['<think>hm</think>Yes', 'hm', 'Yes'],
  ['\n <think>\nhm\n</think>\n\nYes\n', 'hm\n', 'Yes\n'],
  ['<think>\n\n</think>\n\nYes', '', 'Yes'],
  ['<think></think>', '', ''],
  ['<think>never closed', 'never closed', ''],
  ['<think>a < b </thin', 'a < b </thin', ''],
  ['<think>', '', ''],
  ['<thin', '', '<thin'],
  ['  ', '', '  '],
  ['  Yes', '', '  Yes'],
  ['<thing>Yes', '', '<thing>Yes'],
  ['a < b', '', 'a < b'],
  ['Write <think>x</think> for thoughts.', '', 'Write <think>x</think> for thoughts.'],
  ['{"a":"<think>"}', '', '{"a":"<think>"}'],
  ['<think>a</think>Let me look.<think>b</think>Done', 'ab', 'Let me look.Done'],
  ['<think>a</think><think>b</think>Done', 'ab', 'Done'],
  ['<thinking>hm</thinking>Yes', 'hm', 'Yes'],
  ['<thinking>a </think> b</thinking>Yes', 'a </think> b', 'Yes'],
  ['<reasoning>\nhm\n</reasoning>\nYes', 'hm\n', 'Yes'],
  ['<|begin_of_thought|>hm<|end_of_thought|>\n\nYes', 'hm', 'Yes'],
  ['<thinks>Yes', '', '<thinks>Yes'],
  ['<think>a</think>Use `<think>` so.', 'a', 'Use `<think>` so.'],
  ['<think>a</think>```\n<think>\n```\nok', 'a', '```\n<think>\n```\nok'],
  ['<think>a</think>1 < 2 <thin', 'a', '1 < 2 <thin'],
  ['<think>a [/THINK]</think>b', 'a [/THINK]', 'b'],
  ['<thought>hm</thought>Yes', 'hm', 'Yes'],
  ['<seed:think>hm</seed:think>Yes', 'hm', 'Yes'],
  ['[THINK]hm[/THINK]Yes', 'hm', 'Yes'],
  ['◁think▷hm◁/think▷Yes', 'hm', 'Yes'],
  ['<|START_THINKING|>hm<|END_THINKING|>Yes', 'hm', 'Yes'],
];

describe('ThinkTags', () => {
  it.each(table)('reads %j', (wire, thinking, text) => {
    expect(read([wire])).toMatchObject({ thinking, text });
  });

  it.each(table)('reads it the same wherever it is cut: %j', (wire) => {
    const whole = read([wire]);
    expect(read(wire.split(''))).toEqual(whole);
    for (let at = 0; at <= wire.length; at++) {
      expect(read([wire.slice(0, at), wire.slice(at)])).toEqual(whole);
    }
  });

  it('reads any mixture of tags and text the same wherever it is cut', () => {
    const token = fc.constantFrom(
      '<think>',
      '</think>',
      '<',
      '`',
      '```',
      ' ',
      '\n',
      'a',
      '</',
      '[THINK]',
    );
    const wire = fc.array(token, { maxLength: 30 }).map((tokens) => tokens.join(''));
    fc.assert(
      fc.property(wire, fc.array(fc.nat(), { maxLength: 20 }), (said, at) => {
        expect(read(cutText(said, at))).toEqual(read([said]));
      }),
    );
  });

  it('tells what comes as soon as it can be no tag', () => {
    const told: string[] = [];
    const tags = new ThinkTags();
    const push = (piece: string): void => tags.push(piece, (type, text) => told.push(type, text));
    push('<think>a');
    expect(told).toEqual(['thinking', 'a']);
    push('b<');
    expect(told.at(-1)).toBe('b');
    push('c');
    expect(told.at(-1)).toBe('<c');
  });
});
