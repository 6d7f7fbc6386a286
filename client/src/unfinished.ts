import type { View } from './view.js';

/** `sessionStorage`, or anything like it. */
export type TextStorage = Pick<Storage, 'getItem' | 'setItem'>;

/** A generation that was being read when the page went away. */
export interface Unfinished {
  generationId: string;
  /** The last record that was applied. */
  seq: number;
}

/** How often, at most, the progress of running answers is written, in milliseconds. */
const WRITE_MS = 1_000;

function isUnfinished(value: unknown): value is Unfinished {
  return typeof (value as Partial<Unfinished> | null)?.generationId === 'string';
}

/** Remembers over a reload what is being read. */
export class UnfinishedList {
  /** What was read here, as it is in the storage or newer. */
  readonly #mine = new Map<string, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly storage: TextStorage,
    private readonly key: string,
  ) {}

  read(): Unfinished[] {
    try {
      return (JSON.parse(this.storage.getItem(this.key) ?? '[]') as unknown[]).filter(isUnfinished);
    } catch {
      // The value is not ours, or the browser forbids the access: there is nothing to go on with.
      return [];
    }
  }

  /** A new answer and an end are written at once, what lies between from time to time. */
  note({ generationId, seq, result, error }: View): void {
    if (generationId === undefined) return;
    // An answer that could not be asked for may still be there after a reload.
    if (result !== undefined || (error !== undefined && error.code !== 'unreachable')) {
      this.#mine.delete(generationId);
      return this.#write(generationId);
    }
    const isNew = !this.#mine.has(generationId);
    this.#mine.set(generationId, seq);
    if (isNew) this.#write();
    else this.#timer ??= setTimeout(() => this.#write(), WRITE_MS);
  }

  /** Writes what is not yet written: the page goes away. */
  flush(): void {
    if (this.#timer !== undefined) this.#write();
  }

  /** @param over a generation that is taken out of the list */
  #write(over?: string): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // Other tabs may use the same storage: what they have written stays.
    const others = this.read().filter(
      ({ generationId }) => generationId !== over && !this.#mine.has(generationId),
    );
    const mine = Array.from(this.#mine, ([generationId, seq]) => ({ generationId, seq }));
    try {
      this.storage.setItem(this.key, JSON.stringify([...others, ...mine]));
    } catch {
      // The storage is full or forbidden. The answer matters more.
    }
  }
}
