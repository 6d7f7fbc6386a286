import { Logger } from '@nestjs/common';
import type { Response } from 'express';
import type { Config } from '../config/config.js';
import type { Generation } from '../generations/generation.js';
import type { Entry } from '../generations/log/entry.js';
import type { LogReader, LogSink } from '../generations/log/reader.js';
import { RecordRenderer } from '../socket/record-renderer.js';
import { StallWatch, unsent } from '../socket/stall-watch.js';

/** A comment goes out so often, so that no proxy takes a silent stream for a dead one. */
const HEARTBEAT_MS = 15_000;

const logger = new Logger('Sse');

/**
 * One SSE response as a reader (WHATWG HTML, section 9.2): `id:` is the seq and `data:` the record,
 * under no event name. Ends after the terminal record. A caller that falls behind is not written to,
 * and gets merged records when it takes bytes again; one that takes none is cut.
 */
export class EventStream implements LogSink {
  private readonly stall: StallWatch;
  private readonly heartbeat: NodeJS.Timeout;
  private readonly renderer: RecordRenderer;
  private readonly reader: LogReader;

  /**
   * Streams the records after `after`, then those to come. Nothing where the caller has gone.
   * @param onSlow called when a caller is cut because it took nothing
   */
  static open(
    response: Response,
    config: Pick<Config, 'SOCKET_BUFFER_BYTES' | 'SLOW_READER_MS'>,
    generation: Generation,
    after: number,
    onSlow: () => void,
  ): void {
    // Its `close` has been told already: nothing would ever take the reader off again.
    if (response.destroyed || response.closed) return;
    new EventStream(response, config, generation, after, onSlow).reader.advance();
  }

  private constructor(
    private readonly response: Response,
    private readonly config: Pick<Config, 'SOCKET_BUFFER_BYTES' | 'SLOW_READER_MS'>,
    generation: Generation,
    after: number,
    onSlow: () => void,
  ) {
    response.status(200).set({
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-cache, no-transform',
      // nginx would gather the tokens.
      'X-Accel-Buffering': 'no',
    });
    response.flushHeaders();
    this.renderer = new RecordRenderer(generation);
    this.stall = new StallWatch(
      config.SLOW_READER_MS,
      () => String(unsent(response.socket)),
      () => {
        onSlow();
        response.destroy();
      },
    );
    this.heartbeat = setInterval(() => {
      if (this.writable) response.write(': still here\n\n');
    }, HEARTBEAT_MS);
    this.reader = generation.read(this, after);
    // What is wrong with the connection is told by `close`.
    response.on('error', () => undefined);
    response.on('drain', () => {
      this.stall.stop();
      this.reader.advance();
    });
    response.once('close', () => {
      this.stall.stop();
      clearInterval(this.heartbeat);
      this.reader.leave();
    });
  }

  get writable(): boolean {
    const { writableLength, writableNeedDrain } = this.response;
    // Node tells of new room only where its own mark (16 KiB) was passed too.
    const isFull = writableNeedDrain && writableLength > this.config.SOCKET_BUFFER_BYTES;
    if (isFull) this.stall.start();
    return !isFull;
  }

  write(entry: Entry): void {
    const record = JSON.stringify(this.renderer.render(entry));
    this.response.write(`id: ${entry.seq}\ndata: ${record}\n\n`);
    if (entry.said.type !== 'end') return;
    clearInterval(this.heartbeat);
    this.response.end();
    // A caller that does not fetch the rest is cut as well.
    this.stall.start();
  }

  /** SSE carries records only: a comment shows that the server lives. */
  state(): void {}

  fail(error: unknown): void {
    logger.error(error);
    this.response.destroy();
  }
}
