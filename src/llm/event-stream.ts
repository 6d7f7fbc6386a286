import type { Response } from 'express';
import type { Config } from '../config/config.js';
import type { LogReader, LogSink } from '../generations/log/generation-log.js';
import type { Generation } from '../generations/generation.js';
import type { StreamRecord } from '../protocol/records.js';
import { StallWatch, unsent } from '../socket/stall-watch.js';

/** A comment goes out so often, so that no proxy takes a silent stream for a dead one. */
const HEARTBEAT_MS = 15_000;

/**
 * One SSE response as a reader (WHATWG HTML, section 9.2): `id:` is the seq and `data:` the record,
 * under no event name. Ends after the terminal record. A caller that falls behind is not written to,
 * and gets merged records when it takes bytes again; one that takes none is cut.
 */
export class EventStream implements LogSink {
  private readonly stall: StallWatch;
  private readonly heartbeat: NodeJS.Timeout;
  private reader: LogReader | undefined;

  constructor(
    private readonly response: Response,
    private readonly config: Pick<Config, 'SOCKET_BUFFER_BYTES' | 'SLOW_READER_MS'>,
  ) {
    response.status(200).set({
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-cache, no-transform',
      // nginx would gather the tokens.
      'X-Accel-Buffering': 'no',
    });
    response.flushHeaders();
    this.stall = new StallWatch(
      config.SLOW_READER_MS,
      () => String(unsent(response.socket)),
      () => response.destroy(),
    );
    this.heartbeat = setInterval(() => {
      if (this.writable) response.write(': still here\n\n');
    }, HEARTBEAT_MS);
    // What is wrong with the connection is told by `close`.
    response.on('error', () => undefined);
    response.on('drain', () => {
      this.stall.stop();
      this.reader?.advance();
    });
    response.once('close', () => {
      this.stall.stop();
      clearInterval(this.heartbeat);
      this.reader?.leave();
    });
  }

  read(generation: Generation, after: number): void {
    this.reader = generation.read(this, after);
    this.reader.advance();
  }

  get writable(): boolean {
    const { writableLength, writableNeedDrain } = this.response;
    // Node tells of new room only where its own mark (16 KiB) was passed too.
    const isFull = writableNeedDrain && writableLength > this.config.SOCKET_BUFFER_BYTES;
    if (isFull) this.stall.start();
    return !isFull;
  }

  write(record: StreamRecord): void {
    this.response.write(`id: ${record.seq}\ndata: ${JSON.stringify(record)}\n\n`);
    if (!('state' in record)) return;
    clearInterval(this.heartbeat);
    this.response.end();
    // Whoever does not fetch the rest is cut as well.
    this.stall.start();
  }

  /** SSE carries records only: a comment shows that the server lives. */
  state(): void {}
}
