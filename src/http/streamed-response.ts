import { Logger } from '@nestjs/common';
import type { Response } from 'express';
import type { Config } from '../config/config.js';
import type { Generation } from '../generations/generation.js';
import type { End, Entry } from '../generations/log/entry.js';
import type { DoorName, LogReader, LogSink } from '../generations/log/reader.js';
import type { CastError } from '../protocol/errors.js';
import type { StreamState } from '../protocol/stream-state.js';
import { ifTaken, StallWatch, takenOf } from './stall-watch.js';

/** So often something goes out, so that no proxy takes a silent stream for a dead one. */
const HEARTBEAT_MS = 15_000;

type Bounds = Pick<Config, 'SOCKET_BUFFER_BYTES' | 'SLOW_READER_MS'>;

/** How one response says what its generation does. An empty text is not written. */
export interface Wording {
  /** The door whose words these are. */
  readonly door: DoorName;
  /** Of the response, such as `text/event-stream`. */
  readonly contentType: string;
  /** It takes each entry by itself, however far it is behind: its frames are counted. */
  readonly unmerged?: true;
  /**
   * Longest time that the status waits for the first thing to say, in milliseconds: until then a
   * failure can be a status of its own, which {@link refuse} answers.
   */
  readonly holdMs?: number;
  /** What comes before the first entry. */
  opening?(): string;
  /** The frames of an entry; those of the last one end the stream. */
  entry(entry: Entry): string;
  /** What is said between entries. */
  state(state: StreamState): string;
  /** Said when nothing else was for a while. */
  heartbeat(): string;
  /**
   * The end of the response where the caller's credential is no longer good; undefined: the connection
   * is cut.
   */
  broken(reason: CastError): string | undefined;
  /** Answers with a failure that came before anything was said. @returns whether it did */
  refuse?(end: End): boolean;
}

const logger = new Logger('Stream');

/**
 * One HTTP response as a reader. It ends after the last entry. A caller that falls behind is not
 * written to until it takes bytes again; one that takes none is cut.
 */
export class StreamedResponse implements LogSink {
  readonly door: DoorName;
  readonly unmerged: boolean;
  private readonly stall: StallWatch;
  private readonly heartbeat: NodeJS.Timeout;
  private readonly reader: LogReader;
  private hold: NodeJS.Timeout | undefined;
  private wasSilent = false;
  private hasBegun = false;
  private isOver = false;

  /**
   * Streams the entries after `after`, then those to come. Nothing where the caller has gone, or asked
   * for the headers alone.
   * @param onSlow called when a caller is cut because it took nothing
   */
  static open(
    response: Response,
    bounds: Bounds,
    generation: Generation,
    after: number,
    wording: Wording,
    onSlow: () => void,
  ): StreamedResponse | undefined {
    // Its `close` has been told already: nothing would ever take the reader off again.
    if (response.destroyed || response.closed) return undefined;
    response.status(200).set({
      'Content-Type': wording.contentType,
      'Cache-Control': 'no-cache, no-transform',
      // nginx would gather the tokens.
      'X-Accel-Buffering': 'no',
    });
    // The answer to a HEAD has no body: it would wait for the end of the generation.
    if (response.req.method === 'HEAD') return void response.end();
    const stream = new StreamedResponse(response, bounds, generation, after, wording, onSlow);
    stream.reader.advance();
    if (generation.log.end === undefined) stream.state(generation.status);
    return stream;
  }

  private constructor(
    private readonly response: Response,
    private readonly bounds: Bounds,
    generation: Generation,
    after: number,
    private readonly wording: Wording,
    onSlow: () => void,
  ) {
    this.door = wording.door;
    this.unmerged = wording.unmerged ?? false;
    if (wording.holdMs === undefined) this.begin('');
    else this.hold = setTimeout(() => this.begin(''), wording.holdMs);
    this.stall = new StallWatch(
      bounds.SLOW_READER_MS,
      () => takenOf(response.socket),
      () => {
        onSlow();
        response.destroy();
      },
    );
    this.heartbeat = setInterval(() => {
      if (this.wasSilent && this.writable) this.say(this.wording.heartbeat());
      this.wasSilent = true;
    }, HEARTBEAT_MS / 2);
    this.reader = generation.read(this, after);
    // What is wrong with the connection is told by `close`.
    response.on('error', () => undefined);
    response.on('drain', () => {
      this.stall.stop();
      this.reader.advance();
    });
    response.once('close', () => {
      this.stall.stop();
      this.quiet();
      this.reader.leave();
    });
  }

  get writable(): boolean {
    const { writableLength, writableNeedDrain } = this.response;
    // Node tells of new room only where its own mark (16 KiB) was passed too.
    const isFull = writableNeedDrain && writableLength > this.bounds.SOCKET_BUFFER_BYTES;
    if (isFull) this.stall.start();
    return !isFull;
  }

  write(entry: Entry, onTaken?: () => void): void {
    const { said } = entry;
    if (said.type !== 'end') return this.say(this.wording.entry(entry), onTaken);
    this.isOver = true;
    this.quiet();
    if (!this.response.headersSent && this.wording.refuse?.(said)) return;
    this.finish(this.wording.entry(entry));
  }

  state(state: StreamState): void {
    if (this.writable) this.say(this.wording.state(state));
  }

  fail(error: unknown): void {
    logger.error(error);
    this.response.destroy();
  }

  /** Ends the response although its generation goes on. */
  break(reason: CastError): void {
    if (this.isOver) return;
    this.isOver = true;
    this.quiet();
    this.reader.leave();
    const said = this.wording.broken(reason);
    if (said === undefined) this.response.destroy();
    else this.finish(said);
  }

  private say(text: string, onTaken?: () => void): void {
    if (text === '' || this.response.writableEnded) return;
    this.wasSilent = false;
    if (this.hasBegun) this.response.write(text, ifTaken(this.response.socket, onTaken));
    else this.begin(text, onTaken);
  }

  /** Sends the status, what comes before the first entry, and the first thing to say, in one go. */
  private begin(text: string, onTaken?: () => void): void {
    clearTimeout(this.hold);
    this.hasBegun = true;
    const first = (this.wording.opening?.() ?? '') + text;
    if (first === '') this.response.flushHeaders();
    else this.response.write(first, ifTaken(this.response.socket, onTaken));
  }

  private finish(text: string): void {
    this.say(text);
    this.response.end();
    // A caller that does not fetch the rest is cut as well.
    this.stall.start();
  }

  private quiet(): void {
    clearInterval(this.heartbeat);
    clearTimeout(this.hold);
  }
}
