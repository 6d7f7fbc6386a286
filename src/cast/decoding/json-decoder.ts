import type { z } from 'zod';
import { CastError } from '../../protocol/errors.js';
import type { Decoder } from './decoder.js';

/** Reads an answer that is one JSON value of a known shape. */
export class JsonDecoder<T> implements Decoder<T> {
  readonly done = false;
  private readonly pieces: Buffer[] = [];
  private size = 0;

  /** @param maxBytes largest body; a larger one is `line_too_long` */
  constructor(
    private readonly schema: z.ZodType<T>,
    private readonly maxBytes: number,
  ) {}

  push(bytes: Buffer): void {
    this.size += bytes.length;
    if (this.size > this.maxBytes) throw new CastError('line_too_long');
    this.pieces.push(bytes);
  }

  end(into: T[]): void {
    try {
      into.push(this.schema.parse(JSON.parse(Buffer.concat(this.pieces, this.size).toString())));
    } catch (cause) {
      throw new CastError('upstream_protocol_error', { cause });
    }
  }
}
