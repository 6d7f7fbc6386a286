import { createHash } from 'node:crypto';
import type { StreamRecord } from '../src/protocol/records.js';
import type { TerminalRecord } from '../src/protocol/terminal-record.js';
import { textOf } from './support/client.js';
import { Oracle } from './support/oracle.js';

const ID = 'AAAAAAAAAAAAAAAAAAAAAA';
const TEXT = ['The', ' sky', ' is', ' blué 😀', ' today', '.'];
const ANSWER = TEXT.join('');

const envelope = (seq: number) => ({ generationId: ID, seq, model: 'm', created_at: 'now' });
const chunk = (seq: number, response: string, from?: number): StreamRecord => ({
  ...envelope(seq),
  ...(from !== undefined && { from }),
  response,
  done: false,
});
const terminal = (seq: number, text = ANSWER): TerminalRecord => ({
  generationId: ID,
  seq,
  message: 'Streaming cancelled',
  state: 'cancelled',
  reason: 'client',
  upstreamClosedMs: 2,
  bytes: Buffer.byteLength(text),
  sha256: createHash('sha256').update(text).digest('hex'),
});
const completed = (seq: number): TerminalRecord => {
  const { bytes, sha256 } = terminal(seq);
  return {
    generationId: ID,
    seq,
    message: 'Streaming completed',
    state: 'completed',
    finishReason: 'stop',
    usage: null,
    timings: { queuedMs: 0, loadMs: 1, firstTokenMs: 2, totalMs: 3, tokensPerSecond: 4 },
    bytes,
    sha256,
  };
};

/** Thinking (1), six pieces of text (2 to 7), the last chunk (8), the end (9). */
const good = (): StreamRecord[] => [
  { ...envelope(1), response: '', thinking: 'hm', done: false },
  ...TEXT.map((piece, index) => chunk(index + 2, piece)),
  { ...envelope(8), response: '', done: true, done_reason: 'stop' },
  completed(9),
];

const oracle = (): Oracle => {
  const oracle = new Oracle();
  oracle.sent('thinking', 'hm');
  for (const piece of TEXT) oracle.sent('text', piece);
  return oracle;
};

/** What the oracle says of a client that was given these records. */
function judge(records: StreamRecord[], after = 0): string[] {
  const judge = oracle();
  const reader = judge.reader('tab', after);
  for (const record of records) reader.receive(record);
  return judge.problems();
}

/** The same records with new numbers, so that only what they say is wrong. */
const renumbered = (records: StreamRecord[]): StreamRecord[] =>
  records.map((record, index) => ({ ...record, seq: index + 1 }));

/** The good stream with one record's text changed. */
const withText = (seq: number, change: (text: string) => string): StreamRecord[] =>
  good().map((record) => (record.seq === seq ? chunk(seq, change(textOf(record))) : record));

describe('the oracle is content with', () => {
  it('a good stream', () => expect(judge(good())).toEqual([]));

  it('neighbouring text that was merged', () => {
    const [first, , , , , , , ...rest] = good();
    const merged = [chunk(4, 'The sky is', 2), chunk(7, ' blué 😀 today.', 5)];
    expect(judge([first!, ...merged, ...rest])).toEqual([]);
  });

  it('records that are delivered again', () => {
    const all = good();
    expect(judge([...all.slice(0, 5), ...all.slice(2, 5), ...all.slice(3), ...all])).toEqual([]);
  });

  it('a merged record that begins too early, if the client then joins again', () => {
    const judge = oracle();
    const reader = judge.reader();
    for (const record of good().slice(0, 4)) reader.receive(record);
    expect(reader.receive(chunk(7, ' sky is blué 😀 today.', 3))).toBe('gap');
    expect(judge.problems()).toEqual(['reader 1: no terminal record']);
    expect(reader.last).toBe(4);
    for (const record of good().slice(4)) expect(reader.receive(record)).toBe('applied');
    expect(judge.problems()).toEqual([]);
  });

  it('a reader that begins in the middle', () => expect(judge(good().slice(3), 3)).toEqual([]));

  it('an answer that was cancelled half way', () => {
    const records = [...good().slice(0, 3), terminal(4, 'The sky')];
    expect(judge(records)).toEqual([]);
  });
});

describe('the oracle turns red when', () => {
  const mutants: [string, StreamRecord[], RegExp][] = [
    ...good().map((_, index): [string, StreamRecord[], RegExp] => [
      `record ${index + 1} is dropped`,
      good().toSpliced(index, 1),
      /no terminal record/,
    ]),
    ...good()
      .slice(0, 7)
      .map((_, index): [string, StreamRecord[], RegExp] => [
        `record ${index + 1} is dropped and the others are numbered anew`,
        renumbered(good().toSpliced(index, 1)),
        /differs|lacks/,
      ]),
    ...good()
      .slice(0, 7)
      .map((record, index): [string, StreamRecord[], RegExp] => [
        `record ${index + 1} is repeated under a new seq`,
        renumbered(good().toSpliced(index, 0, record)),
        /differs/,
      ]),
    ...good()
      .slice(0, -1)
      .map((record, index): [string, StreamRecord[], RegExp] => [
        `records ${index + 1} and ${index + 2} come in the wrong order`,
        good().toSpliced(index, 2, good()[index + 1]!, record),
        /record \d came after \d/,
      ]),
    ...good()
      .slice(0, 6)
      .map((record, index): [string, StreamRecord[], RegExp] => [
        `records ${index + 1} and ${index + 2} change places under the right numbers`,
        renumbered(good().toSpliced(index, 2, good()[index + 1]!, record)),
        /differs/,
      ]),
    ['a record is cut short', withText(5, (text) => text.slice(0, -3)), /differs/],
    ['the last text is cut short', withText(7, () => ''), /lacks the last 1/],
    ['a character is changed', withText(3, () => ' sKy'), /another sha256/],
    ['bytes of a character are lost', withText(5, () => ' blué \uFFFD'), /differs/],
    [
      'a character is split over two records',
      good().with(4, chunk(5, ' blué \ud83d')).with(5, chunk(6, '\ude00 today')),
      /half a character/,
    ],
    ['a merged record lacks a piece', good().toSpliced(2, 2, chunk(4, ' sky', 3)), /differs/],
    [
      'a merged record holds more than it says',
      good().toSpliced(2, 2, chunk(4, ' sky is blué 😀', 3)),
      /differs/,
    ],
    ['thinking arrives as text', good().with(0, chunk(1, 'hm')), /differs/],
    ['a second end is written', [...good(), completed(10)], /not everyone|after the end/],
    ['another end is told under the same number', [...good(), terminal(9)], /the same end/],
    ['a record follows the end', [...good(), chunk(10, '.')], /record 10 came after the end/],
    ['there is no end', good().slice(0, -1), /no terminal record/],
    [
      'a record of another generation arrives',
      good().with(2, { ...good()[2]!, generationId: 'B' }),
      /record 3 is of another/,
    ],
    ['the end is merged', good().toSpliced(7, 2, { ...completed(9), from: 8 }), /merged/],
    [
      'an answer that stopped half way is completed',
      [...good().slice(0, 3), completed(4)],
      /lacks/,
    ],
    ['a cancelled answer lacks text', [...good().slice(0, 3), terminal(4)], /has 7 bytes, not 28/],
    ['nothing arrives', [], /no terminal record/],
  ];

  it.each(mutants)('%s', (_, records, problem) => {
    expect(judge(records).join('\n')).toMatch(problem);
  });

  it('a merged record is longer than 64 KiB', () => {
    const judge = new Oracle();
    const pieces = ['a'.repeat(40_000), 'b'.repeat(40_000)];
    for (const piece of pieces) judge.sent('text', piece);
    const reader = judge.reader();
    reader.receive(chunk(2, pieces.join(''), 1));
    reader.receive(terminal(3, pieces.join('')));
    expect(judge.problems()).toEqual(['reader 1: record 2 merges more than 64 KiB']);
  });

  it('two readers are told different ends, or one is told none', () => {
    const judge = oracle();
    const [one, two, three] = [judge.reader('one'), judge.reader('two'), judge.reader('three')];
    for (const record of good()) one.receive(record);
    for (const record of good().with(8, terminal(9))) two.receive(record);
    for (const record of good().slice(0, 8)) three.receive(record);
    expect(judge.problems()).toEqual([
      'three: no terminal record',
      'not everyone was told the same end',
    ]);
  });

  it('nobody reads at all', () => expect(oracle().problems()).toEqual(['nobody read it']));
});
