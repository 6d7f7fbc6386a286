import { CastError } from '../protocol/errors.js';
import type { GenerationState, StreamState } from '../protocol/stream-state.js';
import type { FinishReason, Timings, Usage } from '../protocol/usage.js';
import type { CancelReason, EndEntry, Said } from './log/entry.js';
import { type Follower, GenerationLog } from './log/generation-log.js';
import type { DoorName, LogReader, LogSink } from './log/reader.js';
import { Stopwatch, type Times } from './stopwatch.js';

/** What never changes of a generation. */
export interface GenerationFacts {
  /** Unguessable, and never used again. */
  readonly id: string;
  readonly endpoint: 'generate' | 'chat' | 'pull';
  readonly model: string;
  /** The user that it belongs to; undefined where nobody is known. */
  readonly owner: string | undefined;
  /** When it was asked for, in milliseconds since 1970. */
  readonly createdAt: number;
  /** What the door that asked for it keeps with it, as long as it is kept: JSON, on any node. */
  readonly note?: unknown;
}

/** What drives a generation: its readers act on it through this. */
export interface Driver {
  /** Stops the generation, unless it is over. */
  cancel(reason: CancelReason): void;
  /** See {@link Generation.giveUp}. */
  giveUp(): void;
  /** The first reader has come, or the last one has left, here or on another node. */
  onAudience(hasReaders: boolean): void;
  /** Another node has taken the generation for lost, and ended it. */
  onLost(): void;
  /**
   * Seq of the last entry where the generation runs, which may be ahead of a copy.
   * @throws CastError where that is not known
   */
  head(): number | Promise<number>;
  /** The log takes so many bytes more. */
  onGrow(bytes: number): void;
  /** @param lagMs from the append of an entry until the connection of a reader took it, in milliseconds */
  onDelivered(door: DoorName, lagMs: number): void;
}

/** Times the pieces of an answer. */
export interface PieceTimer {
  /** @param count how many came together @param sinceMs how long after those before, in milliseconds */
  pieces(count: number, sinceMs: number): void;
}

/** One accepted request as its readers hold it: what it is, what it does now, and its log. */
export class Generation {
  readonly id: string;
  readonly endpoint: GenerationFacts['endpoint'];
  readonly model: string;
  readonly owner: string | undefined;
  readonly createdAt: number;
  readonly note: unknown;
  /** Whether it had to wait in line when it was accepted; on any node. */
  waited = false;
  readonly log: GenerationLog;
  /** Resolves with the last entry. */
  readonly ended: Promise<EndEntry>;
  readonly stopwatch: Stopwatch;
  /** What it is doing, as `streamState` says it. */
  status: StreamState;
  /** How many other nodes have readers of it. */
  private elsewhere = 0;
  private resolveEnded!: (end: EndEntry) => void;
  /** Tokens that the upstream sent after it was to stop; they are in no log. */
  lateTokens = 0;
  /** What times its pieces here, if anything does. It is told once a read: a follower would cost more. */
  timer: PieceTimer | undefined;
  /** @internal Why it is to be stopped, once somebody has asked for that. */
  cancelReason: CancelReason | undefined;
  /** @internal The upstream's last word, once it was said. */
  done: Said<'done'> | undefined;

  /** @param driver what drives it, until {@link drivenBy} another one takes it over */
  constructor(
    facts: GenerationFacts,
    private driver: Driver,
  ) {
    this.id = facts.id;
    this.endpoint = facts.endpoint;
    this.model = facts.model;
    this.owner = facts.owner;
    this.createdAt = facts.createdAt;
    this.stopwatch = new Stopwatch(facts.createdAt);
    this.note = facts.note;
    this.status = { generationId: facts.id, state: 'queued' };
    this.log = new GenerationLog((bytes) => this.driver.onGrow(bytes));
    this.ended = new Promise((resolve) => (this.resolveEnded = resolve));
  }

  get state(): GenerationState {
    return this.status.state;
  }

  /** Why the answer is over; undefined until the upstream has said its last word. */
  get finishReason(): FinishReason | undefined {
    return this.done?.reason;
  }

  /** What the upstream calls the model that has answered; undefined where it does not say. */
  get responseModel(): string | undefined {
    return this.done?.model;
  }

  /** Tokens as far as the upstream has counted them. */
  get usage(): Usage {
    return this.done?.usage ?? null;
  }

  timings(): Timings {
    return this.stopwatch.timings(this.done?.statistics ?? {});
  }

  /** @throws CastError `invalid_request` when `after` is beyond the last entry */
  async checkCursor(after: number): Promise<void> {
    if (after <= this.log.seq || after <= (await this.driver.head())) return;
    throw new CastError('invalid_request', {
      message: 'There is no such record yet.',
      details: [{ path: 'after', message: `at most ${this.log.seq}` }],
    });
  }

  /**
   * Adds a reader of the entries after `after`, which must exist, and of those to come.
   * Its first `advance` sends what is there already.
   */
  read(sink: LogSink, after: number): LogReader {
    const { door } = sink;
    const reader = this.log.reader(
      sink,
      after,
      () => this.onLeave(),
      (lagMs) => this.driver.onDelivered(door, lagMs),
    );
    this.driver.onAudience(true);
    return reader;
  }

  /** Somebody reads it on another node. @returns takes that back; safe to call again */
  attend(): () => void {
    let isThere = true;
    this.elsewhere++;
    this.driver.onAudience(true);
    return () => {
      if (!isThere) return;
      isThere = false;
      this.elsewhere--;
      this.onLeave();
    };
  }

  /** Whether somebody reads it, here or, as far as this node is told, on another one. */
  get hasReaders(): boolean {
    return this.log.hasReaders || this.elsewhere > 0;
  }

  /** @internal It goes on elsewhere, or here from now on; its readers stay, and a cancel goes after it. */
  drivenBy(driver: Driver): void {
    this.driver = driver;
    driver.onAudience(this.hasReaders);
    if (this.cancelReason !== undefined) driver.cancel(this.cancelReason);
  }

  /** @internal Another node has ended it: what this one goes on with is nobody's. */
  lose(): void {
    this.driver.onLost();
  }

  /** @internal Writes the end that was written elsewhere. @param times what was measured there */
  adopt(end: EndEntry, times: Times): void {
    this.stopwatch.times = times;
    this.status = { ...this.status, state: end.said.state };
    this.finish(end);
  }

  private onLeave(): void {
    if (!this.hasReaders) this.driver.onAudience(false);
  }

  /** @returns takes the follower off again */
  follow(follower: Follower): () => void {
    return this.log.follow(follower);
  }

  /**
   * Stops it. Changes nothing once the last chunk is in the log.
   * @returns the last entry, when the upstream request is over; the same however often asked
   */
  cancel(reason: CancelReason = 'client'): Promise<EndEntry> {
    this.cancelReason ??= reason;
    this.driver.cancel(reason);
    return this.ended;
  }

  /**
   * The caller has closed the connection, and means by it that it is to stop. It does, unless
   * somebody reads it, on any node, or the upstream has said its last word. Or the connection was lost: the
   * same request, sent again, is to get an answer and no cancelled one, so its idempotency key is new again.
   */
  giveUp(): void {
    if (!this.hasReaders && this.log.end === undefined && this.finishReason === undefined) {
      this.driver.giveUp();
    }
  }

  /** @internal It does something else now. */
  announce(status: Omit<StreamState, 'generationId'>): void {
    this.status = { generationId: this.id, ...status };
    this.repeat();
  }

  /** @internal Says once more what it does. */
  repeat(): void {
    this.log.announce(this.status);
  }

  /** @internal Writes the end; nothing follows it. */
  finish(end: EndEntry): void {
    this.log.finish(end);
    this.resolveEnded(end);
  }
}
