import { StringDecoder } from 'node:string_decoder';
import { createParser, type EventSourceParser } from 'eventsource-parser';
import { CastError } from '../../protocol/errors.js';

/**
 * Cuts bytes into the data of Server-Sent Events. Comments and ids are dropped. An event that the
 * end cut off after its data line still counts: servers forget the last blank line.
 */
export class SseDecoder {
  private readonly text = new StringDecoder('utf8');
  private isFirst = true;
  private readonly parser: EventSourceParser;

  /**
   * @param maxBytes longest event, about: counted in UTF-16 units
   * @param onData called for each event, with its type if it has one; what it throws passes through
   * @param onField called for a line `name: value` that is not part of SSE
   */
  constructor(
    maxBytes: number,
    onData: (data: string, event: string | undefined) => void,
    onField: (name: string, value: string) => void,
  ) {
    this.parser = createParser({
      maxBufferSize: maxBytes,
      onEvent: ({ data, event }) => onData(data, event),
      onError: (error) => {
        if (error.type === 'max-buffer-size-exceeded') throw new CastError('line_too_long');
        if (error.type === 'unknown-field') onField(error.field ?? '', error.value ?? '');
      },
    });
  }

  /** @throws CastError `line_too_long` */
  push(bytes: Buffer): void {
    this.feed(this.text.write(bytes));
  }

  end(): void {
    this.feed(`${this.text.end()}\n\n`);
  }

  /** A byte order mark before the first event is none of it. */
  private feed(text: string): void {
    if (text === '') return;
    const isMarked = this.isFirst && text.startsWith('\uFEFF');
    this.isFirst = false;
    this.parser.feed(isMarked ? text.slice(1) : text);
  }
}
