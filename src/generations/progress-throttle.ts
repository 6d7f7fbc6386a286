import type { Part } from '../cast/cast.service.js';

type Progress = Extract<Part, { type: 'progress' }>;

/** At most four records a second for each layer. */
const INTERVAL_MS = 250;

/**
 * Decides which progress of a pull is told: the first word of each layer and each step, its last, and
 * between them only so often. What is left out is told by what follows: `completed` only grows.
 */
export class ProgressThrottle {
  private readonly told = new Map<string | null, { status: string; at: number }>();

  passes({ status, digest, total, completed }: Progress): boolean {
    const last = this.told.get(digest);
    const now = performance.now();
    const isDue = last?.status !== status || now - last.at >= INTERVAL_MS;
    if (!isDue && (completed === null || completed !== total)) return false;
    this.told.set(digest, { status, at: now });
    return true;
  }
}
