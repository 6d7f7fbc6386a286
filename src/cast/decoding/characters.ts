/**
 * Holds back a high surrogate at the end of a piece until its other half comes, so that no
 * character outside the BMP is ever split over two records (each would become U+FFFD in UTF-8).
 */
export class WholeCharacters {
  private held = '';

  push(piece: string): string {
    const text = this.held + piece;
    const last = text.charCodeAt(text.length - 1);
    if (last < 0xd800 || last > 0xdbff) {
      this.held = '';
      return text;
    }
    this.held = text.slice(-1);
    return text.slice(0, -1);
  }

  /** What is still held when the text ends. */
  end(): string {
    const text = this.held;
    this.held = '';
    return text;
  }
}
