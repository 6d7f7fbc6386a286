import type { Part } from '../cast/part.js';

type Progress = Extract<Part, { type: 'progress' }>;

/** At most four records a second for each layer. */
const INTERVAL_MS = 250;

/**
 * Decides which progress of a pull is told: the first word of each layer and each step, its last, and
 * between them only so often. What is left out is told by what follows: `completed` only grows.
 */
export class ProgressThrottle {
  private readonly told = new Map<string | null, { status: string; at: number; isEnd: boolean }>();

  passes({ status, digest, total, completed }: Progress): boolean {
    const last = this.told.get(digest);
    const now = performance.now();
    const isEnd = completed !== null && completed === total;
    const isNews = last?.status !== status || (isEnd && !last.isEnd);
    if (!isNews && now - last.at < INTERVAL_MS) return false;
    this.told.set(digest, { status, at: now, isEnd });
    return true;
  }
}
