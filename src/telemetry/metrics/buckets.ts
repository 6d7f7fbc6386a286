/** Bounds of a histogram, each twice the one before. */
export function doubling(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => first * 2 ** at);
}

/** 0.01 s to 81.92 s, as the conventions for generative AI advise. */
export const SECONDS = doubling(0.01, 14);
/** 0.01 s to 655.36 s: a line may be as long as `QUEUE_TIMEOUT_MS`. */
export const LONG_SECONDS = doubling(0.01, 17);
/** 0.1 ms to 26 s: from memory to a socket. */
export const SHORT_SECONDS = doubling(0.0001, 19);
/** 1, 4, 16 … 4^13 tokens, as the conventions advise. */
export const TOKENS = Array.from({ length: 14 }, (_, at) => 4 ** at);

/** Index of the bucket into which a value falls: of the first bound that it is not above. */
export function bucketOf(value: number, bounds: readonly number[]): number {
  let at = 0;
  while (at < bounds.length && value > bounds[at]!) at++;
  return at;
}
