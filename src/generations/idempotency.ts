import { createHash } from 'node:crypto';
import { CastError } from '../errors.js';
import type { Generation } from './generation.js';

/** Most keys that are remembered; over it the oldest go first. */
const MAX_KEYS = 10_000;

interface Remembered {
  fingerprint: string;
  /** Not the generation itself: its log may have to make room. */
  generationId: string;
}

/**
 * Which generation an idempotency key stands for. A key is remembered as long as its generation
 * runs and for `retainMs` after, even when the log itself had to make room.
 */
export class IdempotencyKeys {
  private readonly keys = new Map<string, Remembered>();

  /** @param retainMs how long a key outlives its generation, in milliseconds */
  constructor(private readonly retainMs: number) {}

  /**
   * @param user keys of different users never meet
   * @param request what is compared: the request without `clientId`
   * @returns the id of the generation that the key started
   * @throws CastError `idempotency_conflict` for the same key with another request
   */
  find(key: string, user: string | undefined, request: unknown): string | undefined {
    const known = this.keys.get(scoped(key, user));
    if (known !== undefined && known.fingerprint !== fingerprint(request)) {
      throw new CastError('idempotency_conflict');
    }
    return known?.generationId;
  }

  remember(key: string, user: string | undefined, request: unknown, generation: Generation): void {
    const name = scoped(key, user);
    const entry = { fingerprint: fingerprint(request), generationId: generation.id };
    this.keys.set(name, entry);
    void generation.ended.then(() => {
      setTimeout(() => this.forget(name, entry), this.retainMs).unref();
    });
    if (this.keys.size <= MAX_KEYS) return;
    const [oldest] = this.keys.keys();
    if (oldest !== undefined) this.keys.delete(oldest);
  }

  private forget(name: string, entry: Remembered): void {
    if (this.keys.get(name) === entry) this.keys.delete(name);
  }
}

/** A digest, so that a long key or user costs no more than a short one. */
function scoped(key: string, user: string | undefined): string {
  return fingerprint([user ?? null, key]);
}

function fingerprint(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64');
}
