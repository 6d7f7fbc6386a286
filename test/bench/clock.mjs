/** CLOCK_MONOTONIC in microseconds: the same clock in every process of one machine. */
export function nowUs() {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + nanoseconds / 1e3;
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function sleepUntil(us) {
  for (let left = us - nowUs(); left > 0; left = us - nowUs()) await sleep(left / 1000);
}

/** @returns {number} the value below which `share` of them lie; NaN of none */
export function percentile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export const median = (values) => percentile(values, 0.5);
