import { Logger } from '@nestjs/common';
import type { Part } from '../cast/part.js';
import { CastError } from '../protocol/errors.js';
import type { GenerationState, StreamState } from '../protocol/stream-state.js';
import type { FinishReason, Timings, Usage } from '../protocol/usage.js';
import type { CancelReason, End, EndEntry, Entry } from './log/entry.js';
import { GenerationLog } from './log/generation-log.js';
import type { Proof } from './log/proof.js';
import type { LogReader, LogSink } from './log/reader.js';
import { Stopwatch } from './stopwatch.js';

/** What never changes of a generation. */
export interface GenerationFacts {
  /** Unguessable, and never used again. */
  readonly id: string;
  readonly endpoint: 'generate' | 'chat' | 'pull';
  readonly model: string;
  /** The user that it belongs to; undefined where nobody is known. */
  readonly owner: string | undefined;
}

/** What drives a generation: its readers act on it through this. */
export interface Driver {
  /** Stops the generation, unless it is over. */
  cancel(reason: CancelReason): void;
  /** The first reader has come, or the last one has left. */
  onAudience(hasReaders: boolean): void;
  /** The log takes so many bytes more. */
  onGrow(bytes: number): void;
}

/** Hears what happens to a generation, and is no audience: without readers it is abandoned. */
export interface Follower {
  entry?(entry: Entry): void;
  state?(state: StreamState): void;
}

const logger = new Logger('Generations');

/** One accepted request as its readers hold it: what it is, what it does now, and its log. */
export class Generation {
  readonly id: string;
  readonly endpoint: GenerationFacts['endpoint'];
  readonly model: string;
  readonly owner: string | undefined;
  readonly log: GenerationLog;
  /** Resolves with the last entry. */
  readonly ended: Promise<EndEntry>;
  readonly stopwatch = new Stopwatch();
  /** What it is doing, as `streamState` says it. */
  status: StreamState;
  private readonly followers = new Set<Follower>();
  private resolveEnded!: (end: EndEntry) => void;
  private done: Extract<Part, { type: 'done' }> | undefined;

  constructor(
    facts: GenerationFacts,
    private readonly driver: Driver,
  ) {
    this.id = facts.id;
    this.endpoint = facts.endpoint;
    this.model = facts.model;
    this.owner = facts.owner;
    this.status = { generationId: facts.id, state: 'queued' };
    this.log = new GenerationLog((bytes) => driver.onGrow(bytes));
    this.ended = new Promise((resolve) => (this.resolveEnded = resolve));
  }

  get state(): GenerationState {
    return this.status.state;
  }

  /** Why the answer is over; undefined until the upstream has said its last word. */
  get finishReason(): FinishReason | undefined {
    return this.done?.reason;
  }

  /** Tokens as far as the upstream has counted them. */
  get usage(): Usage {
    return this.done?.usage ?? null;
  }

  timings(): Timings {
    return this.stopwatch.timings(this.done?.statistics ?? {});
  }

  /** @throws CastError `invalid_request` when `after` is beyond the last entry */
  checkCursor(after: number): void {
    if (after <= this.log.seq) return;
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
    const reader = this.log.reader(sink, after, () => {
      if (!this.log.hasReaders) this.driver.onAudience(false);
    });
    this.driver.onAudience(true);
    return reader;
  }

  /** @returns takes the follower off again */
  follow(follower: Follower): () => void {
    this.followers.add(follower);
    return () => void this.followers.delete(follower);
  }

  /**
   * Stops it. Changes nothing once the last chunk is in the log.
   * @returns the last entry, when the upstream request is over; the same however often asked
   */
  cancel(reason: CancelReason = 'client'): Promise<EndEntry> {
    this.driver.cancel(reason);
    return this.ended;
  }

  /** @internal What the model did next. */
  append(part: Part): void {
    if (part.type === 'done') this.done = part;
    this.tell(this.log.append(part));
  }

  /** @internal It does something else now. */
  announce(status: Omit<StreamState, 'generationId'>): void {
    this.status = { generationId: this.id, ...status };
    this.repeat();
  }

  /** @internal Says once more what it does. */
  repeat(): void {
    const { status } = this;
    this.log.announce(status);
    for (const follower of this.followers) this.contain(follower, () => follower.state?.(status));
  }

  /** @internal Writes the end; nothing follows it. */
  finish(endOf: (proof: Proof, seq: number) => End): EndEntry {
    const end = this.log.finish(endOf);
    this.tell(end);
    this.resolveEnded(end);
    return end;
  }

  private tell(entry: Entry): void {
    if (this.followers.size === 0) return;
    for (const follower of this.followers) this.contain(follower, () => follower.entry?.(entry));
  }

  /** A follower that throws is dropped: it harms neither the generation nor the others. */
  private contain(follower: Follower, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.followers.delete(follower);
      logger.error(error);
    }
  }
}
