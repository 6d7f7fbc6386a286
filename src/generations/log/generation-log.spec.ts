import { createHash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as fc from 'fast-check';
import { fraction } from '../../../test/support/fraction.js';
import type { Part } from '../../cast/part.js';
import type { StreamRecord } from '../../protocol/records.js';
import { RecordRenderer } from '../../socket/record-renderer.js';
import type { Entry } from './entry.js';
import { GenerationLog } from './generation-log.js';
import type { Proof } from './proof.js';
import type { LogReader, LogSink } from './reader.js';

const ID = 'AAAAAAAAAAAAAAAAAAAAAA';
const MERGED_BYTES = 65_536;
const createdAt = '2026-01-02T03:04:05.678Z';

/** Takes as many records as it has room for, like a socket whose buffer fills. */
class Sink implements LogSink {
  readonly door = 'sse';
  readonly got: StreamRecord[] = [];
  readonly entries: Entry[] = [];
  left = 0;
  readonly reader: LogReader;

  constructor(
    log: GenerationLog,
    readonly after = 0,
    private room = Infinity,
    private readonly renderer = rendererOf('generate'),
  ) {
    this.reader = log.reader(this, after, () => this.left++);
    this.reader.advance();
  }

  get writable(): boolean {
    return this.room > 0;
  }

  write(entry: Entry): void {
    if (!this.writable) throw new Error('written to while it had no room');
    this.room--;
    this.entries.push(entry);
    this.got.push(this.renderer.render(entry));
    // As a socket does it: in the middle of the log's round through its readers.
    if (entry.said.type === 'end') this.reader.leave();
  }

  state(): void {}

  fail(error: unknown): void {
    throw error;
  }

  /** @param lag has room, but has not said so yet */
  give(room: number, lag = false): void {
    this.room = room;
    if (!lag) this.reader.advance();
  }
}

/** What a part or a record says, whatever its shape: a kind and a content that can be compared. */
type Said = readonly [kind: string, content: string];

function saidBy(record: StreamRecord): Said {
  if ('state' in record) return ['terminal', JSON.stringify(record)];
  if (record.done) return ['done', record.done_reason];
  if ('status' in record) return ['progress', record.status];
  const body = 'message' in record ? record.message : record;
  if (body.tool_calls) return ['tool_calls', JSON.stringify(body.tool_calls)];
  if (body.thinking !== undefined) return ['thinking', body.thinking];
  if (body.refusal !== undefined) return ['refusal', body.refusal];
  return ['text', 'content' in body ? body.content : body.response];
}

function saidIn(part: Part): Said {
  switch (part.type) {
    case 'tool_calls':
      return [part.type, JSON.stringify(part.calls)];
    case 'progress':
      return [part.type, part.status];
    case 'done':
      return [part.type, part.reason];
    default:
      return [part.type, part.text];
  }
}

function merged(all: readonly Said[]): Said {
  const kinds = new Set(all.map(([kind]) => kind));
  const [kind] = kinds;
  if (kinds.size !== 1 || kind === undefined) return ['never', [...kinds].join()];
  if (all.length > 1 && !['text', 'thinking', 'refusal'].includes(kind))
    return ['never', `two ${kind}`];
  return [kind, all.map(([, content]) => content).join('')];
}

/** That a reader was given exactly the records after `after`: no hole, no repeat, in order. */
function expectAll(got: readonly StreamRecord[], after: number, log: readonly Said[]): void {
  const ranges = got.map(({ from, seq }) => [from ?? seq, seq] as const);
  const starts = [after, ...ranges.map(([, seq]) => seq)].map((seq) => seq + 1);
  expect([...ranges.map(([from]) => from), log.length + 1]).toEqual(starts);
  expect(got.map(saidBy)).toEqual(ranges.map(([from, seq]) => merged(log.slice(from - 1, seq))));
  for (const record of got.filter(({ from }) => from !== undefined)) {
    expect(record.from).toBeLessThan(record.seq);
    expect(Buffer.byteLength(saidBy(record)[1])).toBeLessThanOrEqual(MERGED_BYTES);
  }
}

const rendererOf = (endpoint: 'generate' | 'chat'): RecordRenderer =>
  new RecordRenderer({ id: ID, model: 'm', endpoint });

const end = (log: GenerationLog, renderer = rendererOf('generate')): StreamRecord => {
  const last = log.ending((proof) => ({
    type: 'end',
    state: 'cancelled',
    reason: 'client',
    upstreamClosedMs: 1,
    ...proof,
  }));
  log.finish(last);
  return renderer.render(last);
};

const newLog = (onGrow: (bytes: number) => void = () => undefined): GenerationLog =>
  new GenerationLog(onGrow);

const write = (log: GenerationLog, text: string, type: 'text' | 'thinking' = 'text'): void =>
  void log.append({ type, text, createdAt });

const weighted = <T>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary });
const room = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constant(Infinity));
const short = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
/** Fills blocks and merged records; some are beyond 64 KiB by themselves. */
const long = fc
  .tuple(
    fc.constantFrom('a', 'é', '汉', '😀'),
    fc.oneof(
      weighted(3, fc.integer({ min: 300, max: 9000 })),
      weighted(1, fc.integer({ min: 20_000, max: 80_000 })),
    ),
  )
  .map(([character, count]) => character.repeat(count));
const done: Part = { type: 'done', reason: 'stop', usage: null, statistics: {}, createdAt };
const calls = [{ function: { name: 'f', arguments: { x: 1 } } }];
const toolCalls: Part = { type: 'tool_calls', calls, createdAt };
const layer = { digest: null, total: 9, completed: 1 };
const progress: Part = { type: 'progress', status: 'pulling', ...layer, createdAt };
const part: fc.Arbitrary<Part> = fc.oneof(
  weighted(
    12,
    fc.record({
      type: fc.constantFrom('text', 'text', 'text', 'text', 'thinking', 'refusal'),
      text: fc.oneof(weighted(2, short), weighted(1, long)),
      createdAt: fc.constant(createdAt),
    }),
  ),
  weighted(1, fc.constantFrom<Part>(toolCalls, progress)),
);
const action = fc.oneof(
  weighted(8, fc.record({ do: fc.constant('append'), part })),
  // `at`: the place in what there is so far, from 0 to all of it.
  weighted(2, fc.record({ do: fc.constant('join'), at: fraction, room })),
  weighted(2, fc.record({ do: fc.constant('give'), who: fc.nat(9), room, lag: fc.boolean() })),
  weighted(1, fc.record({ do: fc.constant('leave'), who: fc.nat(9) })),
);

describe('the log of a generation and its readers', () => {
  it('gives each reader every record after its cursor, once, in order, whenever it joins or pauses', () => {
    fc.assert(
      fc.property(
        fc.array(action, { minLength: 20, maxLength: 80 }),
        fc.constantFrom('generate' as const, 'chat' as const),
        fc.boolean(),
        (actions, endpoint, completes) => {
          const log = newLog();
          const renderer = rendererOf(endpoint);
          const said: Said[] = [];
          const sinks: Sink[] = [];
          const append = (part: Part): void => {
            log.append(part);
            said.push(saidIn(part));
          };
          const join = (at: number, room: number): void => {
            sinks.push(new Sink(log, Math.round(at * log.seq), room, renderer));
          };
          const follower = new Sink(log, 0, Infinity, renderer);

          for (const act of actions) {
            if (act.do === 'append') append(act.part);
            else if (act.do === 'join') join(act.at, act.room);
            else {
              const sink = sinks[act.who % sinks.length];
              if (act.do === 'leave') sink?.reader.leave();
              else if (sink?.left === 0) sink.give(act.room, act.lag);
            }
          }
          if (completes) append(done);
          const terminal = end(log, renderer);
          said.push(saidBy(terminal));
          for (const at of [0, 0.3, 1]) join(at, 1);

          const answer = said.map(([kind, content]) => (kind === 'text' ? content : '')).join('');
          expect(terminal).toMatchObject(proofOf(answer));
          expect(log.all('text')).toBe(answer);
          for (const sink of sinks) {
            const { cursor } = sink.reader;
            if (sink.left > 0) expectAll(sink.got, sink.after, said.slice(0, cursor));
            else {
              sink.give(Infinity);
              expectAll(sink.got, sink.after, said);
            }
            sink.reader.leave();
            expect(sink.left).toBe(1);
          }
          expect(follower.got.map(saidBy)).toEqual(said);
          expectAll(follower.got, 0, said);
          expect(log.hasReaders).toBe(false);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('is in use until the last reader and the last holder have left', () => {
    const log = newLog();
    write(log, 'The');
    const told: string[] = [];
    const letGo = [log.hold(), log.hold()];
    const { reader } = new Sink(log);
    log.onceUnread(() => told.push('unread'));
    letGo[0]!();
    reader.leave();
    expect(told).toEqual([]);
    letGo[1]!();
    expect(told).toEqual(['unread']);
    log.onceUnread(() => told.push('at once'));
    expect(told).toEqual(['unread', 'at once']);
  });

  it('gives the text of a kind as it was at a seq, whatever is appended meanwhile', () => {
    const log = newLog();
    write(log, 'The ');
    write(log, 'hm', 'thinking');
    write(log, 'sky ');
    write(log, 'is ');
    const texts = log.texts('text', 3);
    const first = texts.next().value as string;
    write(log, 'blue');
    expect([first, ...texts].join('')).toBe('The sky ');
  });

  it('merges what a reader missed up to 64 KiB, and never text with thinking', () => {
    const log = newLog();
    const piece = '汉'.repeat(1000);
    for (let count = 0; count < 100; count++) write(log, piece);
    write(log, 'hm', 'thinking');
    write(log, 'so');
    const terminal = end(log);
    const { got } = new Sink(log);
    // 300 kB of text can go in 5 records of 64 KiB; whole pieces only, so a record or two more.
    expect(got.length).toBeLessThanOrEqual(7 + 3);
    expect(got.slice(-3).map(saidBy)).toEqual([
      ['thinking', 'hm'],
      ['text', 'so'],
      ['terminal', expect.any(String)],
    ]);
    expectAll(got, 0, [
      ...Array.from({ length: 100 }, (): Said => ['text', piece]),
      ['thinking', 'hm'],
      ['text', 'so'],
      saidBy(terminal),
    ]);
  });

  it('gives a record that is longer than 64 KiB whole, and alone', () => {
    const log = newLog();
    const long = '😀'.repeat(30_000);
    for (const piece of ['a', long, 'b', 'c']) write(log, piece);
    expect(new Sink(log).got.map(({ from, seq }) => [from, seq])).toEqual([
      [undefined, 1],
      [undefined, 2],
      [3, 4],
    ]);
  });

  it('says how much its readers have not been given', () => {
    const log = newLog();
    const slow = new Sink(log, 0, 0);
    expect(log.behind).toBe(0);
    write(log, 'a');
    expect(log.behind).toBe(1);
    slow.give(1);
    expect(log.behind).toBe(0);
    write(log, 'b');
    write(log, 'c');
    const other = new Sink(log, 0, 0);
    expect(log.behind).toBe(5);
    other.reader.leave();
    slow.reader.leave();
    expect(log.behind).toBe(0);
  });

  it('keeps a million one-token records in at most 16 bytes each beside their text, and says so', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const used = async (): Promise<number> => {
      // What earlier tests left goes only after some turns of the event loop.
      for (let turns = 0; turns < 5; turns++) {
        collect();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      // `external` counts array buffers too.
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const records = 1_000_000;
    let told = 0;
    const log = newLog((bytes) => (told += bytes));
    const before = await used();
    let textBytes = 0;
    for (let count = 0; count < records; count++) {
      // Strings of their own, as they come from the upstream's lines.
      const [text, createdAt] = JSON.parse(`[" tok${count % 10}","2026-01-02T03:04:05Z"]`) as [
        string,
        string,
      ];
      textBytes += text.length;
      log.append({ type: 'text', text, createdAt });
    }
    const taken = (await used()) - before;
    const each = (taken - textBytes) / records;
    expect(log.seq).toBe(records);
    expect(each).toBeLessThanOrEqual(16);
    // Less than nothing would mean that the measure is wrong.
    expect(each).toBeGreaterThan(0);
    // MAX_LOG_BYTES is kept by what the log says of itself.
    expect(told).toBeGreaterThan(taken * 0.8);
    expect(told).toBeLessThan(taken * 2);
  });
});

function proofOf(text: string): Proof {
  return {
    bytes: Buffer.byteLength(text),
    sha256: createHash('sha256').update(text).digest('hex'),
  };
}
