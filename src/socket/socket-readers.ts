import type { Socket } from 'socket.io';
import type { LogReader, LogSink } from '../generations/log/generation-log.js';
import type { Generation } from '../generations/generation.js';
import type { StreamRecord } from '../protocol/records.js';
import type { ServerToClientEvents } from '../protocol/socket-events.js';
import type { StreamState } from '../protocol/stream-state.js';
import { sendRecord } from './record-frame.js';
import { SocketGate } from './socket-gate.js';

/** What one socket reads: at most one reader for each generation, all behind the socket's one gate. */
export class SocketReaders implements LogSink {
  private readonly gate: SocketGate;
  private readonly readers = new Map<string, LogReader>();
  private readonly latestStates = new Map<string, StreamState>();

  /**
   * @param bufferBytes bytes held for the socket before its readers wait
   * @param slowMs longest time it may then take nothing
   */
  constructor(
    private readonly socket: Pick<Socket<never, ServerToClientEvents>, 'emit' | 'conn'>,
    bufferBytes: number,
    slowMs: number,
  ) {
    this.gate = new SocketGate(socket.conn, bufferBytes, slowMs, () => this.advance());
  }

  /**
   * Sends the records after `after`, then those to come. Replaces the reader that this socket may
   * already have on the generation.
   */
  read(generation: Generation, after: number): void {
    const { id } = generation;
    const reader = generation.read(this, after);
    this.leave(id);
    this.readers.set(id, reader);
    reader.advance();
    // Who has all of an ended generation already would hold its log for nothing.
    if (generation.log.terminal && reader.cursor === generation.log.seq) this.leave(id);
  }

  get writable(): boolean {
    return this.gate.isOpen;
  }

  write(record: StreamRecord): void {
    sendRecord(this.socket.conn, record);
    if ('state' in record) this.leave(record.generationId);
  }

  /** While the gate is shut only the latest of each generation is kept. */
  state(state: StreamState): void {
    if (this.gate.isOpen) this.socket.emit('streamState', state);
    else this.latestStates.set(state.generationId, state);
  }

  leave(generationId: string): void {
    this.readers.get(generationId)?.leave();
    this.readers.delete(generationId);
    this.latestStates.delete(generationId);
  }

  /** Whether everything written for the socket has left. */
  get isEmpty(): boolean {
    return this.gate.isEmpty;
  }

  /** The socket is gone. */
  close(): void {
    this.gate.close();
    for (const reader of this.readers.values()) reader.leave();
    this.readers.clear();
  }

  private advance(): void {
    for (const state of this.latestStates.values()) this.socket.emit('streamState', state);
    this.latestStates.clear();
    for (const reader of this.readers.values()) reader.advance();
  }
}
