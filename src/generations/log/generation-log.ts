import { createHash } from 'node:crypto';
import type { Part } from '../../cast/part.js';
import type { StreamRecord } from '../../protocol/records.js';
import type { StreamState } from '../../protocol/stream-state.js';
import type { TerminalRecord } from '../../protocol/terminal-record.js';
import type { Records, TextKind } from '../records.js';

/** Characters of a text block before it is sealed. */
const BLOCK_CHARS = 2048;
/** Most text of a merged record: 64 KiB of UTF-8, of which a UTF-16 unit needs at most 3 bytes. */
const MERGE_CHARS = Math.floor(65_536 / 3);

/**
 * Neighbouring text records of one kind. While open it holds the pieces; sealed, one flat string and
 * where each piece ends in it. Pieces of their own would cost an object a token, and a growing
 * string (`+=`) would keep every piece alive.
 */
interface TextBlock {
  first: number;
  kind: TextKind;
  createdAt: string;
  chars: number;
  pieces: string[] | undefined;
  text: string;
  ends: Uint32Array;
}

/** A record that is rare or that cannot be merged. */
interface SingleBlock {
  first: number;
  record: StreamRecord;
}

type Block = TextBlock | SingleBlock;

/** Those of an open block are not written down yet. */
const NO_ENDS = new Uint32Array();

/** What a text block costs beside its text, and each record in it; from heap measurements. */
const BLOCK_BYTES = 320;
const RECORD_BYTES = 8;
/** What an open block counts as, so that nothing is to be counted for each of its pieces. */
const OPEN_BYTES = BLOCK_BYTES + 2 * BLOCK_CHARS;
/** What a log costs before its first record, and a single record beside its JSON. */
export const LOG_BYTES = 4096;
const SINGLE_BYTES = 256;

/** Where a reader's records go: a socket, an SSE response. */
export interface LogSink {
  /** False while it holds as much as it may; it calls {@link LogReader.advance} when it has room. */
  readonly writable: boolean;
  write(record: StreamRecord): void;
  state(state: StreamState): void;
}

/** What a log says of its answer text when it ends. */
export type Proof = Pick<TerminalRecord, 'bytes' | 'sha256'>;

/**
 * The append-only log of one generation: records 1, 2, 3, …, the last one terminal. One producer
 * appends; each reader holds a cursor. In memory and synchronous, so between a read and the next
 * append there is no moment in which a record could be missed or told twice.
 */
export class GenerationLog {
  /** Last appended record; 0 before the first. */
  seq = 0;
  /** The last record, once the log has ended. */
  terminal: TerminalRecord | undefined;
  private readonly blocks: Block[] = [];
  private open: TextBlock | undefined;
  private readonly readers = new Set<LogReader>();
  private readonly hash = createHash('sha256');
  private bytes = 0;

  /** Bytes of memory that the records take, about. */
  size = 0;

  /** @param onGrow told how much `size` grows */
  constructor(
    private readonly records: Records,
    private readonly onGrow: (bytes: number) => void,
  ) {}

  append(part: Part): void {
    this.checkOpen();
    const seq = this.seq + 1;
    switch (part.type) {
      case 'text':
      case 'thinking':
      case 'refusal': {
        this.keepText(seq, part.type, part.text, part.createdAt);
        this.tell(seq, this.records.text(seq, part.type, part.text, part.createdAt));
        return;
      }
      case 'tool_calls':
        return this.keep(seq, this.records.toolCalls(seq, part.calls, part.createdAt));
      case 'progress':
        return this.keep(seq, this.records.progress(seq, part));
      case 'done':
        return this.keep(seq, this.records.last(seq, part));
      default:
        part satisfies never;
    }
  }

  /**
   * Appends the terminal record; nothing can follow it.
   * @param build gets the seq of the record and the proof of the text
   */
  end(build: (seq: number, proof: Proof) => TerminalRecord): TerminalRecord {
    this.checkOpen();
    this.seal();
    const seq = this.seq + 1;
    const terminal = build(seq, { bytes: this.bytes, sha256: this.hash.digest('hex') });
    this.terminal = terminal;
    this.keep(seq, terminal);
    return terminal;
  }

  /**
   * The next record after `after`, neighbouring text merged into one, at most 64 KiB of it.
   * @param after seq of a record that exists, or 0; must be below `seq`
   */
  read(after: number): StreamRecord {
    const from = after + 1;
    let at = this.find(from);
    const block = this.blocks[at];
    if (block === undefined) throw new RangeError(`no record ${from}`);
    if ('record' in block) return block.record;

    let text = '';
    let seq = after;
    for (
      let next: Block | undefined = block;
      next !== undefined && 'kind' in next && next.kind === block.kind;
      next = this.blocks[++at]
    ) {
      const start = seq + 1 - next.first;
      // The first piece goes out whatever its size: it is one record of its own.
      const count = Math.max(
        seq === after ? 1 : 0,
        fitting(next, start, MERGE_CHARS - text.length),
      );
      text += slice(next, start, start + count);
      seq += count;
      if (start + count < sizeOf(next)) break;
    }
    const { createdAt, kind } = block;
    return this.records.text(seq, kind, text, createdAt, seq === from ? undefined : from);
  }

  /** All text of a kind so far. */
  all(kind: TextKind): string {
    return this.blocks
      .map((block) => ('kind' in block && block.kind === kind ? slice(block, 0) : ''))
      .join('');
  }

  /**
   * Adds a reader of the records after `after`; its first `advance` sends what is there already.
   * @param after 0 = all; at most `seq`
   * @param onLeave called once, when the reader has gone
   */
  reader(sink: LogSink, after: number, onLeave: () => void): LogReader {
    const reader = new LogReader(this, sink, after, () => {
      if (this.readers.delete(reader)) onLeave();
    });
    this.readers.add(reader);
    return reader;
  }

  get hasReaders(): boolean {
    return this.readers.size > 0;
  }

  /** Tells every reader's sink what the generation is doing. */
  announce(state: StreamState): void {
    for (const reader of this.readers) reader.sink.state(state);
  }

  /** Whether some reader has not yet been given every record. */
  get hasReadersBehind(): boolean {
    for (const reader of this.readers) if (reader.cursor < this.seq) return true;
    return false;
  }

  private keep(seq: number, record: StreamRecord): void {
    this.seal();
    this.blocks.push({ first: seq, record });
    this.grow(SINGLE_BYTES + JSON.stringify(record).length);
    this.tell(seq, record);
  }

  private keepText(seq: number, kind: TextKind, text: string, createdAt: string): void {
    if (this.open?.kind !== kind) this.seal();
    if (this.open === undefined) {
      this.open = { first: seq, kind, createdAt, chars: 0, pieces: [], text: '', ends: NO_ENDS };
      this.blocks.push(this.open);
      this.grow(OPEN_BYTES);
    }
    this.open.pieces?.push(text);
    this.open.chars += text.length;
    if (this.open.chars >= BLOCK_CHARS) this.seal();
  }

  private checkOpen(): void {
    if (this.terminal !== undefined) throw new Error('the log has ended');
  }

  private grow(bytes: number): void {
    this.size += bytes;
    this.onGrow(bytes);
  }

  /** Makes the open block compact; its text goes into the proof. */
  private seal(): void {
    const block = this.open;
    if (block === undefined) return;
    const { pieces = [] } = block;
    let end = 0;
    block.text = pieces.join('');
    block.ends = Uint32Array.from(pieces, (piece) => (end += piece.length));
    block.pieces = undefined;
    this.open = undefined;
    this.grow(BLOCK_BYTES + RECORD_BYTES * pieces.length + block.text.length - OPEN_BYTES);
    // V8 takes two bytes a character as soon as one is not Latin-1.
    if (/[^\0-\xff]/.test(block.text)) this.grow(block.text.length);
    if (block.kind !== 'text') return;
    this.hash.update(block.text);
    this.bytes += Buffer.byteLength(block.text);
  }

  /** A reader at the head shares the one new record; any other reads it later from its cursor. */
  private tell(seq: number, record: StreamRecord): void {
    this.seq = seq;
    for (const reader of this.readers) reader.live(record);
  }

  /** Index of the block that holds record `seq`. */
  private find(seq: number): number {
    let low = 0;
    let high = this.blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.blocks[middle]?.first ?? Infinity) <= seq) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** One place a generation's records go to, and how far it has got. */
export class LogReader {
  constructor(
    private readonly log: GenerationLog,
    readonly sink: LogSink,
    /** Last record that the sink was given. */
    public cursor: number,
    /** Takes the reader off its log; safe to call again. */
    readonly leave: () => void,
  ) {}

  /** Gives the sink what it can take, from the cursor on. */
  advance(): void {
    while (this.cursor < this.log.seq && this.sink.writable) {
      const record = this.log.read(this.cursor);
      this.cursor = record.seq;
      this.sink.write(record);
    }
  }

  /** @internal The log has a new record; it is for this reader only if the reader is at the head. */
  live(record: StreamRecord): void {
    if (this.cursor !== record.seq - 1 || !this.sink.writable) return;
    this.cursor = record.seq;
    this.sink.write(record);
  }
}

/** How many records it holds. */
function sizeOf({ pieces, ends }: TextBlock): number {
  return (pieces ?? ends).length;
}

function lengthAt({ pieces, ends }: TextBlock, at: number): number {
  return pieces === undefined ? (ends[at] ?? 0) - (ends[at - 1] ?? 0) : (pieces[at]?.length ?? 0);
}

function slice(block: TextBlock, start: number, end = sizeOf(block)): string {
  if (block.pieces !== undefined) return block.pieces.slice(start, end).join('');
  return block.text.slice(block.ends[start - 1] ?? 0, block.ends[end - 1] ?? 0);
}

/** How many records from `start` on fit into `room` characters. */
function fitting(block: TextBlock, start: number, room: number): number {
  let at = start;
  for (let left = room; at < sizeOf(block); at++) {
    left -= lengthAt(block, at);
    if (left < 0) break;
  }
  return at - start;
}
