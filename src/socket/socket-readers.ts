import { Logger } from '@nestjs/common';
import type { Generation } from '../generations/generation.js';
import type { Entry } from '../generations/log/entry.js';
import type { LogReader, LogSink } from '../generations/log/reader.js';
import type { StreamState } from '../protocol/stream-state.js';
import { type Connection, cutConnection } from './cut-connection.js';
import { sendRecord, sendState } from './event-frame.js';
import { RecordRenderer } from './record-renderer.js';
import { type SocketBounds, SocketGate } from './socket-gate.js';

/**
 * Pause between two rounds of several readers, in milliseconds. Without it a long replay would fill
 * the kernel's buffers, some megabytes, before a live answer beside it gets its next turn.
 */
const ROUND_MS = 4;

const logger = new Logger('Socket');

/**
 * What one socket reads: at most one reader for each generation, all behind the socket's one gate.
 * They take turns, an entry each, so that a long replay does not silence a live answer.
 */
export class SocketReaders {
  private readonly gate: SocketGate;
  /** By generation id; the reader whose turn is next comes first. */
  private readonly readers = new Map<string, SocketReader>();
  /** What was to be told while the gate was shut, by generation id. */
  private latestStates: Map<string, StreamState> | undefined;
  private nextRound: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(
    private readonly connection: Connection,
    bounds: SocketBounds,
  ) {
    this.gate = new SocketGate(connection, bounds, () => this.advance());
  }

  /**
   * Sends the records after `after`, then those to come. Replaces the reader that this socket may
   * already have on the generation. Nothing once the socket is gone.
   */
  read(generation: Generation, after: number): void {
    if (this.isClosed) return;
    const { id } = generation;
    const before = this.readers.get(id);
    const reader = new SocketReader(this, generation, after);
    before?.log.leave();
    this.readers.set(id, reader);
    this.advance();
    // A reader that has all of an ended generation already would hold its log for nothing.
    if (generation.log.end && reader.log.cursor === generation.log.seq) this.leave(id);
  }

  leave(generationId: string): void {
    this.readers.get(generationId)?.log.leave();
    this.readers.delete(generationId);
    this.latestStates?.delete(generationId);
  }

  /** Whether everything written for the socket has left. */
  get isEmpty(): boolean {
    return this.gate.isEmpty;
  }

  /** The socket is gone. */
  close(): void {
    this.isClosed = true;
    clearTimeout(this.nextRound);
    this.gate.close();
    for (const id of this.readers.keys()) this.leave(id);
  }

  /** @internal */
  get isOpen(): boolean {
    return this.gate.isOpen;
  }

  /** @internal */
  send(entry: Entry, renderer: RecordRenderer, onTaken?: () => void): void {
    sendRecord(this.connection, this.gate, entry, renderer, onTaken);
  }

  /** @internal While the gate is shut only the latest state of each generation is kept. */
  tell(state: StreamState): void {
    if (this.gate.isOpen) sendState(this.connection, this.gate, state);
    else (this.latestStates ??= new Map()).set(state.generationId, state);
  }

  /** @internal A reader could not write: what the socket has got is not known any more. */
  fail(error: unknown): void {
    logger.error(error);
    cutConnection(this.connection);
  }

  private advance(): void {
    clearTimeout(this.nextRound);
    const states = this.latestStates;
    this.latestStates = undefined;
    if (states !== undefined) for (const state of states.values()) this.tell(state);
    let moved = true;
    while (moved && this.gate.isOpen) {
      moved = this.round();
      if (moved && this.readers.size > 1) {
        this.nextRound = setTimeout(() => this.advance(), ROUND_MS);
        return;
      }
    }
  }

  /** Gives each reader a turn. @returns whether somebody had something to give */
  private round(): boolean {
    let moved = false;
    for (let turns = this.readers.size; turns > 0 && this.gate.isOpen; turns--) {
      const [next] = this.readers;
      if (next === undefined) break;
      const [id, reader] = next;
      this.readers.delete(id);
      this.readers.set(id, reader);
      if (reader.log.step()) moved = true;
    }
    return moved;
  }
}

/** One generation on one socket. */
class SocketReader implements LogSink {
  readonly door = 'socket';
  readonly log: LogReader;
  private readonly renderer: RecordRenderer;

  constructor(
    private readonly readers: SocketReaders,
    private readonly generation: Generation,
    after: number,
  ) {
    this.renderer = new RecordRenderer(generation);
    this.log = generation.read(this, after);
  }

  get writable(): boolean {
    return this.readers.isOpen;
  }

  write(entry: Entry, onTaken?: () => void): void {
    this.readers.send(entry, this.renderer, onTaken);
    if (entry.said.type === 'end') this.readers.leave(this.generation.id);
  }

  state(state: StreamState): void {
    this.readers.tell(state);
  }

  fail(error: unknown): void {
    this.readers.fail(error);
  }
}
