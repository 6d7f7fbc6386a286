import type { GenerationStore } from './store/generation-store.js';

/** How long, at the end, readers may take nothing of their last records before they are given up. */
const LAST_RECORDS_MS = 2_000;
/** How often it is looked whether they have. */
const LAST_RECORDS_POLL_MS = 10;

/**
 * Waits until all readers have all entries.
 * @param until when a reader is given up that is slow, on the clock of `performance.now()`
 */
export async function lastRecords(store: GenerationStore, until: number): Promise<void> {
  let { behind } = store;
  let deadline = performance.now() + LAST_RECORDS_MS;
  while (behind > 0 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, LAST_RECORDS_POLL_MS));
    const before = behind;
    ({ behind } = store);
    if (behind < before) {
      deadline = Math.max(deadline, Math.min(performance.now() + LAST_RECORDS_MS, until));
    }
  }
}

/** Waits for the work, and at most so long. */
export async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([work, timeout]);
  clearTimeout(timer);
}
