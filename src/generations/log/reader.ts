import type { StreamState } from '../../protocol/stream-state.js';
import type { Entry } from './entry.js';

/** One of so many entries is timed on its way to each reader: a clock for each would cost more. */
const TIMED_EVERY = 32;

/** The doors through which generations are read; a closed list. */
export const DOORS = ['socket', 'sse', 'openai', 'ai-sdk', 'ollama'] as const;
export type DoorName = (typeof DOORS)[number];

/** Where a reader's entries go: a socket, an SSE response, a door of another protocol. */
export interface LogSink {
  readonly door: DoorName;
  /** False while it holds as much as it may; it calls {@link LogReader.advance} when it has room. */
  readonly writable: boolean;
  /** It takes each entry by itself; otherwise neighbouring text may come merged. */
  readonly unmerged?: boolean;
  /** @param onTaken to be called when the connection has taken it; only with entries that are timed */
  write(entry: Entry, onTaken?: () => void): void;
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
  /** The entry that is timed, and when it was appended, on the clock of `performance`. */
  private timed: { seq: number; at: number } | undefined;

  /**
   * @param cursor seq of the last entry that the sink has
   * @param onLeave called once, when the reader has gone
   * @param onDelivered called with the milliseconds from the append of a timed entry until the
   * connection took it
   */
  constructor(
    private readonly log: Source,
    private readonly sink: LogSink,
    public cursor: number,
    private readonly onLeave: (reader: LogReader) => void,
    private readonly onDelivered: (lagMs: number) => void,
  ) {}

  get door(): DoorName {
    return this.sink.door;
  }

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
    if (entry.seq % TIMED_EVERY === 1) this.time(entry.seq);
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

  /** @internal The log has new entries after `seq`, which come together; for a reader at the head. */
  liveAfter(seq: number): void {
    if (this.cursor !== seq || this.log.seq === seq) return;
    this.time(this.log.seq);
    this.advance();
  }

  /** @internal The generation does something else now. */
  announce(state: StreamState): void {
    try {
      this.sink.state(state);
    } catch (error) {
      this.fail(error);
    }
  }

  private time(seq: number): void {
    this.timed ??= { seq, at: performance.now() };
  }

  private give(entry: Entry): void {
    this.cursor = entry.seq;
    const { timed } = this;
    if (timed === undefined || entry.seq < timed.seq) return this.sink.write(entry);
    this.timed = undefined;
    this.sink.write(entry, () => this.onDelivered(performance.now() - timed.at));
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
