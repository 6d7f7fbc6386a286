import { CastError } from '../../protocol/errors.js';

const NEWLINE = 0x0a;
const NOTHING = Buffer.alloc(0);

/**
 * Cuts bytes into lines at 0x0A and decodes whole lines only, so no cut falls inside a character
 * (0x0A is never part of a UTF-8 sequence). Drops a CR at the end of a line, one leading BOM and
 * blank lines. U+2028, U+2029 and U+0085 are text. Linear in the number of bytes for any cut.
 */
export class LineDecoder {
  /** The beginning of a line whose end has not come yet: `rest[0..size)`. */
  private rest = NOTHING;
  private size = 0;
  private first = true;

  /** @param maxBytes longest line, without its end; counted before the newline is seen */
  constructor(private readonly maxBytes: number) {}

  /**
   * @param tell called for each line, in order; what it throws passes through
   * @throws CastError `line_too_long`, after the lines before it were told
   */
  push(bytes: Buffer, tell: (line: string) => void): void {
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      this.check(this.size + end - start);
      if (this.size === 0) {
        this.read(bytes.toString('utf8', start, end), tell);
      } else {
        this.keep(bytes, start, end);
        this.read(this.takeRest(), tell);
      }
      start = end + 1;
    }
    if (start === bytes.length) return;
    this.check(this.size + bytes.length - start);
    this.keep(bytes, start, bytes.length);
  }

  /** Tells what stands behind the last newline, if anything does. */
  end(tell: (line: string) => void): void {
    if (this.size > 0) this.read(this.takeRest(), tell);
  }

  private read(raw: string, tell: (line: string) => void): void {
    let line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (this.first) {
      this.first = false;
      if (line.startsWith('\uFEFF')) line = line.slice(1);
    }
    if (line.trim() !== '') tell(line);
  }

  private takeRest(): string {
    const line = this.rest.toString('utf8', 0, this.size);
    this.size = 0;
    return line;
  }

  /** Copies: a slice would keep the whole network read alive. Doubling keeps it linear. */
  private keep(bytes: Buffer, start: number, end: number): void {
    const needed = this.size + end - start;
    if (needed > this.rest.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.rest.length, 256));
      this.rest.copy(larger, 0, 0, this.size);
      this.rest = larger;
    }
    bytes.copy(this.rest, this.size, start, end);
    this.size = needed;
  }

  private check(bytes: number): void {
    if (bytes > this.maxBytes) throw new CastError('line_too_long');
  }
}
