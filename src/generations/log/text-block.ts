import type { TextKind } from './entry.js';

/** Characters of a text block before it is sealed. */
const BLOCK_CHARS = 2048;
/** What a block costs beside its text, and each entry in it; from heap measurements. */
const BLOCK_BYTES = 320;
const ENTRY_BYTES = 8;
/** What an open block counts as, so that nothing is to be counted for each of its pieces. */
export const OPEN_BYTES = BLOCK_BYTES + 2 * BLOCK_CHARS;

/** The ends of an open block are not written down yet. */
const NO_ENDS = new Uint32Array();

/**
 * Neighbouring text entries of one kind. While open it holds the pieces; sealed, one flat string and
 * where each piece ends in it. Pieces of their own would cost an object a token, and a growing
 * string (`+=`) would keep every piece alive.
 */
export class TextBlock {
  private pieces: string[] | undefined = [];
  private chars = 0;
  private text = '';
  private ends = NO_ENDS;

  constructor(
    /** Seq of its first piece. */
    readonly first: number,
    readonly kind: TextKind,
    /** When its first piece was made, by the upstream's clock. */
    readonly createdAt: string,
  ) {}

  get isFull(): boolean {
    return this.chars >= BLOCK_CHARS;
  }

  /** How many entries it holds. */
  get count(): number {
    return (this.pieces ?? this.ends).length;
  }

  /** Adds the next piece; only while it is open. */
  push(piece: string): void {
    this.pieces?.push(piece);
    this.chars += piece.length;
  }

  /** Makes it compact. @returns its text */
  seal(): string {
    const { pieces = [] } = this;
    let end = 0;
    this.text = pieces.join('');
    this.ends = Uint32Array.from(pieces, (piece) => (end += piece.length));
    this.pieces = undefined;
    return this.text;
  }

  /** Bytes of memory that it takes once it is sealed, about. */
  get bytes(): number {
    // V8 takes two bytes a character as soon as one is not Latin-1.
    const width = /[^\0-\xff]/.test(this.text) ? 2 : 1;
    return BLOCK_BYTES + ENTRY_BYTES * this.ends.length + width * this.text.length;
  }

  /** The text of its pieces from index `start` to before `end`. */
  slice(start: number, end = this.count): string {
    if (this.pieces !== undefined) return this.pieces.slice(start, end).join('');
    return this.text.slice(this.ends[start - 1] ?? 0, this.ends[end - 1] ?? 0);
  }

  /** How many pieces from index `start` on fit into `room` characters. */
  fitting(start: number, room: number): number {
    let at = start;
    for (let left = room; at < this.count; at++) {
      left -= this.lengthAt(at);
      if (left < 0) break;
    }
    return at - start;
  }

  /** Characters of the piece at this index. */
  lengthAt(at: number): number {
    const { pieces, ends } = this;
    return pieces === undefined ? (ends[at] ?? 0) - (ends[at - 1] ?? 0) : (pieces[at]?.length ?? 0);
  }
}
