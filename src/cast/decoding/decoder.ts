/** Reads the bytes of one answer. It does no input or output, so tests need no network. */
export interface Decoder<T> {
  /** True once the final record was read; the decoder ignores what follows it. */
  readonly done: boolean;
  /** True while only the final record is missing; absent where nothing but that record tells. */
  readonly isWhole?: boolean;
  /** Whether something of the answer was read that is told later; absent where nothing is held back. */
  readonly hasBegun?: boolean;
  /**
   * Adds to `into` what these bytes say.
   * @throws CastError what is wrong with the bytes; what came before the fault is in `into`
   */
  push(bytes: Buffer, into: T[]): void;
  /** No more bytes come. @throws CastError `upstream_truncated` where something is missing */
  end(into: T[]): void;
}
