import type { View } from './view.js';

/** `sessionStorage`, or anything like it. */
export type TextStorage = Pick<Storage, 'getItem' | 'setItem'>;

/** A generation that was being read when the page went away. */
export interface Unfinished {
  generationId: string;
  /** The last record that was applied. */
  seq: number;
}

/** Remembers over a reload what is being read. */
export class UnfinishedList {
  constructor(
    private readonly storage: TextStorage,
    private readonly key: string,
  ) {}

  read(): Unfinished[] {
    try {
      return JSON.parse(this.storage.getItem(this.key) ?? '[]') as Unfinished[];
    } catch {
      // Somebody else's, or nobody may look: then there is nothing to go on with.
      return [];
    }
  }

  note({ generationId, seq, result, error }: View): void {
    if (generationId === undefined) return;
    const others = this.read().filter((other) => other.generationId !== generationId);
    const isOver = result !== undefined || error !== undefined;
    const list = isOver ? others : [...others, { generationId, seq }];
    try {
      this.storage.setItem(this.key, JSON.stringify(list));
    } catch {
      // The storage is full or forbidden. The answer matters more.
    }
  }
}
