import { CastError } from '../../protocol/errors.js';
import type { Decoder } from './decoder.js';
import type { JsonObject } from './json.js';
import { LineDecoder } from './lines.js';
import { ollamaLine } from '../ollama/line.js';
import type { Part } from '../part.js';

/** Reads an Ollama answer line by line; what a line means is for whoever extends it. */
export abstract class NdjsonDecoder implements Decoder<Part> {
  done = false;
  /** Where {@link read} puts what a line says. */
  protected parts: Part[] = [];
  private readonly lines: LineDecoder;

  constructor(maxLineBytes: number) {
    this.lines = new LineDecoder(maxLineBytes);
  }

  push(bytes: Buffer, into: Part[]): void {
    this.parts = into;
    this.lines.push(bytes, this.takeLine);
  }

  end(into: Part[]): void {
    this.parts = into;
    this.endLines();
    if (!this.done) throw new CastError('upstream_truncated');
  }

  /** Reads what stands behind the last line end. */
  protected endLines(): void {
    this.lines.end((line) => this.take(line, true));
  }

  private readonly takeLine = (line: string): void => this.take(line, false);

  /** @param isRest it had no line end */
  private take(line: string, isRest: boolean): void {
    if (!this.done) this.read(ollamaLine(line, isRest), line);
  }

  /**
   * Sets `done` at the final line.
   * @param line the JSON of `said`
   * @throws CastError what is wrong with the line
   */
  protected abstract read(said: JsonObject, line: string): void;
}
