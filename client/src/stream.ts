import { final } from './cast-error.js';
import type { StreamRecord, ToolCall } from './protocol.js';
import type { Reader } from './reader.js';
import type { Result, View } from './view.js';

/**
 * One answer. Iterate over it for the text as it comes, or look at `text` and the rest whenever you
 * like. It goes on by itself after the connection was lost.
 */
export class CastStream implements AsyncIterable<string> {
  readonly #reader: Reader;

  /** @internal */
  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /**
   * The text in pieces, from its beginning, for as many loops as you like. A slow loop gets larger
   * pieces. Ends after the last one, also where the answer was cancelled. A `break` ends only the
   * loop: the stream is read on, and the model goes on to its end. `cancel()` stops the model.
   * @throws CastError where the answer failed, or did not arrive whole
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    const reader = this.#reader;
    let pending = reader.view.text;
    let isReplaced = false;
    let goOn = (): void => undefined;
    const stop = reader.subscribe((text) => {
      if (text === 'replaced') isReplaced = true;
      else pending += text.added;
      goOn();
    });
    try {
      for (;;) {
        if (pending !== '' && !isReplaced) {
          const piece = pending;
          pending = '';
          yield piece;
        } else if (reader.isOver) break;
        else await new Promise<void>((resolve) => (goOn = resolve));
      }
    } finally {
      stop();
    }
    const { error } = reader.view;
    if (error !== undefined && error.code !== 'aborted') throw error;
    if (isReplaced) {
      throw final('text_damaged', 'Pieces were wrong that you have; `text` has been repaired.');
    }
  }

  get generationId(): string | undefined {
    return this.view.generationId;
  }

  get text(): string {
    return this.view.text;
  }

  get thinking(): string {
    return this.view.thinking;
  }

  get refusal(): string {
    return this.view.refusal;
  }

  get toolCalls(): readonly ToolCall[] {
    return this.view.toolCalls;
  }

  get state(): View['state'] {
    return this.view.state;
  }

  /** While it is queued: the place in the line; 1 is next. */
  get position(): number | undefined {
    return this.view.position;
  }

  /** The terminal record, however the answer ended. Rejects with a CastError where there is none. */
  get result(): Promise<Result> {
    return this.#reader.ended;
  }

  /** All of it as it is now. The object is the same one until something changes. */
  get view(): View {
    return this.#reader.view;
  }

  /** @returns a function that ends it */
  subscribe(changed: () => void): () => void {
    return this.#reader.subscribe(() => changed());
  }

  /**
   * Gets each record from now on as it is applied: once, in order. For what a stream does not offer.
   * @returns a function that ends it
   */
  onRecord(listener: (record: StreamRecord) => void): () => void {
    return this.#reader.onRecord(listener);
  }

  /** Stops the model. Resolves when it has stopped; nothing changes where it was over already. */
  cancel(): Promise<Result> {
    return this.#reader.cancel();
  }

  /** Reads no more, and lets the model go on for those who do, or who may come back. */
  leave(): void {
    this.#reader.leave();
  }
}
