import type { StreamState } from '../../protocol/stream-state.js';
import type { Entry } from './entry.js';

/** Where a reader's entries go: a socket, an SSE response, a door of another protocol. */
export interface LogSink {
  /** False while it holds as much as it may; it calls {@link LogReader.advance} when it has room. */
  readonly writable: boolean;
  /** It takes each entry by itself; otherwise neighbouring text may come merged. */
  readonly unmerged?: boolean;
  write(entry: Entry): void;
  state(state: StreamState): void;
  /** It threw, so its reader has left: it closes its door. */
  fail(error: unknown): void;
}

/** What a reader needs of its log. */
interface Source {
  readonly seq: number;
  read(after: number, mostChars?: number): Entry;
}

/**
 * One place that the entries of a generation go to, and how far it has got. What its sink throws is
 * the end of this reader, and of nothing else.
 */
export class LogReader {
  private hasLeft = false;

  /**
   * @param cursor seq of the last entry that the sink has
   * @param onLeave called once, when the reader has gone
   */
  constructor(
    private readonly log: Source,
    private readonly sink: LogSink,
    public cursor: number,
    private readonly onLeave: (reader: LogReader) => void,
  ) {}

  /** Takes the reader off its log; safe to call again. */
  leave(): void {
    if (this.hasLeft) return;
    this.hasLeft = true;
    this.onLeave(this);
  }

  /** Gives the sink what it can take, from the cursor on. */
  advance(): void {
    while (this.step());
  }

  /** Gives the sink one entry, neighbouring text merged. @returns whether there was one to give */
  step(): boolean {
    if (this.hasLeft || this.cursor >= this.log.seq) return false;
    try {
      if (!this.sink.writable) return false;
      this.give(this.log.read(this.cursor, this.sink.unmerged === true ? 0 : undefined));
      return true;
    } catch (error) {
      return this.fail(error);
    }
  }

  /** @internal The log has a new entry; it is for this reader only if the reader is at the head. */
  live(entry: Entry): void {
    if (this.cursor !== entry.from - 1) {
      // An end that covers more than one seq is also for readers in the midst of them.
      if (entry.from !== entry.seq && this.cursor >= entry.from) this.step();
      return;
    }
    try {
      if (this.sink.writable) this.give(entry);
    } catch (error) {
      this.fail(error);
    }
  }

  /** @internal The generation does something else now. */
  announce(state: StreamState): void {
    try {
      this.sink.state(state);
    } catch (error) {
      this.fail(error);
    }
  }

  private give(entry: Entry): void {
    this.cursor = entry.seq;
    this.sink.write(entry);
  }

  private fail(error: unknown): false {
    this.leave();
    try {
      this.sink.fail(error);
    } catch {
      // A door that cannot even be closed is no reason to harm the others.
    }
    return false;
  }
}
