/** Deepest nesting of a JSON value that is passed on as it is. */
const MAX_DEPTH = 64;

/** Whether a JSON value is nested no deeper than is passed on. Iterative: a deep one is the point. */
export function isShallow(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return false;
    level = level.flatMap((one) =>
      typeof one === 'object' && one !== null ? Object.values(one) : [],
    );
  }
  return true;
}
export const TOO_DEEP = `nested deeper than ${MAX_DEPTH} levels`;
