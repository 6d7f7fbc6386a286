import { CastError } from '../errors.js';
import type { Decoder } from './exchange.js';
import { number, text } from './json.js';
import { LineDecoder } from './lines.js';
import { ollamaLine } from './ollama-line.js';
import type { Part } from './part.js';

/** Longest status and digest that are passed on. */
const STATUS_CHARS = 200;

/** Reads the answer of `/api/pull`: NDJSON of progress; it is done with `{"status":"success"}`. */
export class PullDecoder implements Decoder<Part> {
  done = false;
  private readonly lines: LineDecoder;
  private parts: Part[] = [];
  private ended = false;

  constructor(maxLineBytes: number) {
    this.lines = new LineDecoder(maxLineBytes, (line) => this.readLine(line));
  }

  push(bytes: Buffer, into: Part[]): void {
    this.parts = into;
    this.lines.push(bytes);
  }

  end(into: Part[]): void {
    this.parts = into;
    this.ended = true;
    this.lines.end();
    if (!this.done) throw new CastError('upstream_truncated');
  }

  private readLine(line: string): void {
    if (this.done) return;
    const said = ollamaLine(line, this.ended);
    const status = text(said, 'status').slice(0, STATUS_CHARS);
    const createdAt = new Date().toISOString();
    if (status === 'success') {
      this.done = true;
      this.parts.push({ type: 'done', reason: 'success', usage: null, statistics: {}, createdAt });
      return;
    }
    const digest = text(said, 'digest').slice(0, STATUS_CHARS) || null;
    const total = number(said, 'total') ?? null;
    // Ollama leaves out a zero.
    const completed = number(said, 'completed') ?? (total === null ? null : 0);
    this.parts.push({ type: 'progress', status, digest, total, completed, createdAt });
  }
}
