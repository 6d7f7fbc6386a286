/** So many turns of a loop take so many milliseconds on a machine for which the bounds of tests were found. */
const TURNS = 20_000_000;
const TURNS_MS = 20;

/** How much slower this machine is than that one, at this moment; 1 where it is not. */
export function slowness(): number {
  const before = performance.now();
  let sum = 0;
  for (let turn = 0; turn < TURNS; turn++) sum += turn % 7;
  const took = performance.now() - before;
  return sum > 0 ? Math.max(1, took / TURNS_MS) : NaN;
}
