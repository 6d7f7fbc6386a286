import { Logger } from '@nestjs/common';
import type { Part } from '../../cast/part.js';
import type { ToolCall } from '../../protocol/model-fields.js';
import type { StreamState } from '../../protocol/stream-state.js';
import type { End, EndEntry, Entry, TextKind } from './entry.js';
import { type Proof, ProofOfText } from './proof.js';
import { type DoorName, LogReader, type LogSink } from './reader.js';
import { OPEN_BYTES, TextBlock } from './text-block.js';

/** Most text of a merged entry: 64 KiB of UTF-8, of which a UTF-16 unit needs at most 3 bytes. */
const MERGE_CHARS = Math.floor(65_536 / 3);
/** What a log costs before its first entry, and a single entry beside its JSON, in bytes. */
export const LOG_BYTES = 4096;
const SINGLE_BYTES = 256;

/** Hears what happens to a generation, and is no audience: without readers it is abandoned. */
export interface Follower {
  entry?(entry: Entry): void;
  state?(state: StreamState): void;
}

const logger = new Logger('Generations');

/** An entry that is rare or that cannot be merged. */
interface Single {
  first: number;
  entry: Entry;
}

/**
 * The append-only log of one generation: entries 1, 2, 3, …, the last one its end. One producer
 * appends; each reader holds a cursor. In memory and synchronous, so between a read and the next
 * append there is no moment in which an entry could be missed or told twice.
 * Append, merge and read work on the same arrays; so this file is longer than others.
 */
export class GenerationLog {
  /** Seq of the last entry; 0 before the first. */
  seq = 0;
  /** The last entry, once the log has ended. */
  end: EndEntry | undefined;
  /** Bytes of memory that the entries take, about. */
  size = 0;
  private readonly blocks: (TextBlock | Single)[] = [];
  private open: TextBlock | undefined;
  private readonly readers = new Set<LogReader>();
  private followers: Set<Follower> | undefined;
  private readonly proof = new ProofOfText();
  private readonly whenUnread: (() => void)[] = [];
  private holds = 0;
  /** The seq before the entries that readers get together; undefined while each comes by itself. */
  private heldAt: number | undefined;

  /** @param onGrow called with the bytes by which `size` has grown */
  constructor(private readonly onGrow: (bytes: number) => void) {}

  /** Appends what the model did next. @returns its entry */
  append(part: Part): Entry {
    this.checkOpen();
    const seq = this.seq + 1;
    const entry: Entry = { seq, from: seq, said: part };
    if (part.type === 'text' || part.type === 'thinking' || part.type === 'refusal') {
      this.keepText(seq, part.type, part.text, part.createdAt);
    } else this.keepSingle(entry);
    this.tell(entry);
    return entry;
  }

  /** Appends entries that readers get together, neighbouring text merged. @param append does it */
  together(append: () => void): void {
    const heldAt = this.seq;
    this.heldAt = heldAt;
    try {
      append();
    } finally {
      this.heldAt = undefined;
      for (const reader of this.readers) reader.liveAfter(heldAt);
    }
  }

  /**
   * The end that would follow what there is now; nothing is appended.
   * @param endOf gets the proof of the text, and the seq that the end will have
   */
  ending(endOf: (proof: Proof, seq: number) => End): EndEntry {
    this.checkOpen();
    const seq = this.seq + 1;
    return { seq, from: seq, said: endOf(this.proofSoFar(), seq) };
  }

  /** The proof of the text so far. */
  proofSoFar(): Proof {
    this.seal();
    return this.proof.soFar();
  }

  /**
   * Appends the end; nothing can follow it. One that was written elsewhere may cover more than one seq:
   * entries that some reader has seen, and that are not in this log.
   */
  finish(end: EndEntry): void {
    this.checkOpen();
    this.seal();
    this.end = end;
    this.keepSingle(end);
    this.tell(end);
  }

  /**
   * The next entry after `after`, neighbouring text merged into one.
   * @param after seq of an entry that exists, or 0; must be below `seq`
   * @param mostChars of merged text, 64 KiB of UTF-8 by default; 0 = the entry by itself
   */
  read(after: number, mostChars = MERGE_CHARS): Entry {
    const from = after + 1;
    let at = this.find(from);
    const block = this.blocks[at];
    if (block === undefined) throw new RangeError(`no entry ${from}`);
    if (!(block instanceof TextBlock)) {
      const { entry } = block;
      return entry.from === from ? entry : { ...entry, from };
    }

    let text = '';
    let seq = after;
    for (
      let next: TextBlock | Single | undefined = block;
      next instanceof TextBlock && next.kind === block.kind;
      next = this.blocks[++at]
    ) {
      const start = seq + 1 - next.first;
      // The first piece goes out whatever its size: it is an entry of its own.
      const count = Math.max(seq === after ? 1 : 0, next.fitting(start, mostChars - text.length));
      text += next.slice(start, start + count);
      seq += count;
      if (start + count < next.count) break;
    }
    const { kind, createdAt } = block;
    return { seq, from, said: { type: kind, text, createdAt } };
  }

  /** Characters of each entry from seq `from` to seq `to`, which are text of one kind. */
  lengths(from: number, to: number): number[] {
    const lengths: number[] = [];
    for (let at = this.find(from); lengths.length <= to - from; at++) {
      const block = this.blocks[at];
      if (!(block instanceof TextBlock)) break;
      const end = Math.min(block.count, to + 1 - block.first);
      for (let piece = from + lengths.length - block.first; piece < end; piece++) {
        lengths.push(block.lengthAt(piece));
      }
    }
    return lengths;
  }

  /** All text of a kind so far. */
  all(kind: TextKind): string {
    return [...this.texts(kind, this.seq)].join('');
  }

  /**
   * The text of a kind, block by block. What is appended meanwhile is not in it.
   * @param to seq of the last entry that counts
   */
  *texts(kind: TextKind, to: number): Generator<string> {
    for (const block of this.blocks) {
      if (!(block instanceof TextBlock)) continue;
      if (block.first > to) return;
      if (block.kind === kind) yield block.slice(0, Math.min(block.count, to + 1 - block.first));
    }
  }

  /**
   * For one that goes through the log in its own time and is no audience: its memory is in use until
   * then. @returns lets it go; to be called once
   */
  hold(): () => void {
    this.holds++;
    return () => {
      this.holds--;
      this.tellUnread();
    };
  }

  /** All calls of tools so far. */
  toolCalls(): ToolCall[] {
    return this.blocks.flatMap((block) =>
      !(block instanceof TextBlock) && block.entry.said.type === 'tool_calls'
        ? block.entry.said.calls
        : [],
    );
  }

  /**
   * Adds a reader of the entries after `after`; its first `advance` sends what is there already.
   * @param after 0 = all; at most `seq`
   * @param onLeave called once, when the reader has gone
   * @param onDelivered called with how long a timed entry took to the connection, in milliseconds
   */
  reader(
    sink: LogSink,
    after: number,
    onLeave: () => void,
    onDelivered: (lagMs: number) => void = () => undefined,
  ): LogReader {
    const left = (): void => {
      this.readers.delete(reader);
      this.tellUnread();
      onLeave();
    };
    const reader = new LogReader(this, sink, after, left, onDelivered);
    this.readers.add(reader);
    return reader;
  }

  get hasReaders(): boolean {
    return this.readers.size > 0;
  }

  /** How many entries its readers have not yet been given, in all. */
  get behind(): number {
    let behind = 0;
    for (const { cursor } of this.readers) behind += this.seq - cursor;
    return behind;
  }

  /** Through which doors it is read: one for each reader. */
  get doors(): DoorName[] {
    return [...this.readers].map(({ door }) => door);
  }

  /** Bytes of what its readers have not yet been given, in all; an entry without text counts as 256. */
  get behindBytes(): number {
    let bytes = 0;
    for (const { cursor } of this.readers) if (cursor < this.seq) bytes += this.bytesAfter(cursor);
    return bytes;
  }

  /** @returns takes the follower off again */
  follow(follower: Follower): () => void {
    this.followers ??= new Set();
    this.followers.add(follower);
    return () => void this.followers?.delete(follower);
  }

  /** @param tell called when nobody reads or holds the log: at once, or when the last one has left */
  onceUnread(tell: () => void): void {
    this.whenUnread.push(tell);
    this.tellUnread();
  }

  /** Tells every reader and follower what the generation is doing. */
  announce(state: StreamState): void {
    for (const reader of this.readers) reader.announce(state);
    if (this.followers === undefined) return;
    for (const follower of this.followers) {
      try {
        follower.state?.(state);
      } catch (error) {
        this.drop(follower, error);
      }
    }
  }

  private bytesAfter(seq: number): number {
    let bytes = 0;
    for (let at = this.find(seq + 1); at < this.blocks.length; at++) {
      const block = this.blocks[at];
      if (block instanceof TextBlock) {
        bytes += Buffer.byteLength(block.slice(Math.max(0, seq + 1 - block.first)));
      } else bytes += SINGLE_BYTES;
    }
    return bytes;
  }

  private tellUnread(): void {
    if (this.hasReaders || this.holds > 0) return;
    for (const tell of this.whenUnread.splice(0)) tell();
  }

  private keepSingle(entry: Entry): void {
    this.seal();
    this.blocks.push({ first: entry.from, entry });
    this.grow(SINGLE_BYTES + JSON.stringify(entry.said).length);
  }

  private keepText(seq: number, kind: TextKind, text: string, createdAt: string): void {
    if (this.open?.kind !== kind) this.seal();
    if (this.open === undefined) {
      this.open = new TextBlock(seq, kind, createdAt);
      this.blocks.push(this.open);
      this.grow(OPEN_BYTES);
    }
    this.open.push(text);
    if (this.open.isFull) this.seal();
  }

  private checkOpen(): void {
    if (this.end !== undefined) throw new Error('the log has ended');
  }

  private grow(bytes: number): void {
    this.size += bytes;
    this.onGrow(bytes);
  }

  /** Makes the open block compact; its text goes into the proof. */
  private seal(): void {
    const block = this.open;
    if (block === undefined) return;
    const text = block.seal();
    this.open = undefined;
    this.grow(block.bytes - OPEN_BYTES);
    if (block.kind === 'text') this.proof.add(text);
  }

  /** A reader at the head shares the one new entry; any other reads it later from its cursor. */
  private tell(entry: Entry): void {
    this.seq = entry.seq;
    if (this.heldAt === undefined) for (const reader of this.readers) reader.live(entry);
    if (this.followers === undefined) return;
    for (const follower of this.followers) {
      try {
        follower.entry?.(entry);
      } catch (error) {
        this.drop(follower, error);
      }
    }
  }

  /** A follower that throws is dropped: it harms neither the generation nor the others. */
  private drop(follower: Follower, error: unknown): void {
    this.followers?.delete(follower);
    logger.error(error);
  }

  /** Index of the block that holds entry `seq`. */
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
