import { final } from './cast-error.js';
import type { StreamRecord, ToolCall } from './protocol.js';
import type { Reader } from './reader.js';
import type { Result, View } from './view.js';

/**
 * One answer. Iterate over it for the text as it comes, or look at `text` and the rest whenever you
 * like. It goes on by itself after the connection was lost.
 */
export class CastStream implements AsyncIterable<string> {
  /** What reads the answer, for all streams of it. */
  readonly #reader: Reader;
  /** The terminal record, however the answer ended. Rejects with a CastError where there is none. */
  readonly result: Promise<Result>;
  /** What was there when this stream was left. */
  #left: View | undefined;

  /** @internal */
  constructor(reader: Reader) {
    this.#reader = reader;
    reader.streams++;
    this.result = new Promise((resolve, reject) => {
      const look = (): void => {
        const { result, error } = this.view;
        if (result !== undefined) resolve(result);
        else if (error !== undefined) reject(error);
      };
      reader.subscribe(look);
      look();
    });
    // A caller that only reads the text gets the error there, and need not look at this one.
    this.result.catch(() => undefined);
  }

  /**
   * The text in pieces, from its beginning, for as many loops as you like. A slow loop gets larger
   * pieces. Ends after the last one, also where the answer was cancelled. A `break` ends only the
   * loop: the stream is read on, and the model goes on to its end. `cancel()` stops the model.
   * @throws CastError where the answer failed, or did not arrive whole
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    let pending = this.text;
    let isReplaced = false;
    let goOn = (): void => undefined;
    const stop = this.#reader.subscribe((text) => {
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
        } else if (this.#isOver) break;
        else await new Promise<void>((resolve) => (goOn = resolve));
      }
    } finally {
      stop();
    }
    const { error } = this.view;
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

  /** All of it as it is now. The object is the same one until something changes. */
  get view(): View {
    return this.#left ?? this.#reader.view;
  }

  /** @returns a function that ends it */
  subscribe(changed: () => void): () => void {
    let shown = this.view;
    return this.#reader.subscribe(() => {
      if (shown === this.view) return;
      shown = this.view;
      changed();
    });
  }

  /**
   * Gets each record from now on as it is applied: once, in order. For what a stream does not offer.
   * @returns a function that ends it
   */
  onRecord(listener: (record: StreamRecord) => void): () => void {
    return this.#reader.onRecord((record) => {
      if (this.#left === undefined) listener(record);
    });
  }

  /** Stops the model. Resolves when it has stopped; nothing changes where it was over already. */
  cancel(): Promise<Result> {
    if (this.#left === undefined) this.#reader.cancel();
    return this.result;
  }

  /**
   * Reads no more, and lets the model go on for those who do, or who may come back. Other streams of
   * the same answer go on; the server hears of it when the last one is left.
   */
  leave(): void {
    // A cancel goes first: this stays until the server has heard of it.
    if (this.#isOver || this.state === 'cancelling') return;
    const error = final('closed', 'The stream was left.');
    this.#left = { ...this.view, error };
    this.#reader.leave(error);
  }

  get #isOver(): boolean {
    return this.#left !== undefined || this.#reader.isOver;
  }
}
