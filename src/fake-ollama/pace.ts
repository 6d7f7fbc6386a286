import { setTimeout as sleep } from 'node:timers/promises';
import type { Switches } from './switches.js';

const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Waits until `performance.now()` has reached `at` (ms; Infinity = for ever).
 * Rejects at once when `gone` aborts, and leaves no timer behind.
 */
export async function until(at: number, gone: AbortSignal): Promise<void> {
  gone.throwIfAborted();
  // In a loop, because a Node timer may fire a millisecond early.
  for (let left = at - performance.now(); left > 0; left = at - performance.now()) {
    await sleep(Math.min(left, LONGEST_TIMER_MS), undefined, { signal: gone });
  }
}

/**
 * When token `i` (0, 1, …) is due, in ms after the answer's start. Each time is computed from the
 * start, not from the token before, so that late timers and jitter never add up.
 */
export function dueMs(i: number, { rate, jitter, seed }: Switches): number {
  return rate === 0 ? 0 : ((i + jitter * share(seed, i)) * 1000) / rate;
}

/** A number in 0..1 that looks random but always is the same for one seed and token (mulberry32). */
function share(seed: number, i: number): number {
  let x = (seed + Math.imul(i + 1, 0x6d2b79f5)) | 0;
  x = Math.imul(x ^ (x >>> 15), x | 1);
  x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
  return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
}
