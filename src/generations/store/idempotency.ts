import { createHash } from 'node:crypto';
import { CastError } from '../../protocol/errors.js';

/** Most keys that are remembered; over it the oldest go first. */
const MAX_KEYS = 10_000;

interface Remembered {
  fingerprint: string;
  /** Not the generation itself: its log may have to make room. */
  generationId: string;
}

/**
 * Which generation an idempotency key stands for, until it is told to forget: `RETAIN_MS` after the
 * end, even where the log itself had to make room before. Over `MAX_KEYS` the oldest is forgotten.
 */
export class IdempotencyKeys {
  private readonly keys = new Map<string, Remembered>();
  /** The scoped key of each generation that is remembered. */
  private readonly nameOf = new Map<string, string>();

  /**
   * @param scope keys of different scopes never meet: the user's, or the address of an anonymous caller
   * @param request what is compared: the request without `clientId`
   * @returns the id of the generation that the key started
   * @throws CastError `idempotency_conflict` for the same key with another request
   */
  find(key: string, scope: string, request: unknown): string | undefined {
    const known = this.keys.get(scoped(key, scope));
    if (known !== undefined && known.fingerprint !== fingerprint(request)) {
      throw new CastError('idempotency_conflict');
    }
    return known?.generationId;
  }

  remember(key: string, scope: string, request: unknown, generationId: string): void {
    const name = scoped(key, scope);
    this.keys.set(name, { fingerprint: fingerprint(request), generationId });
    this.nameOf.set(generationId, name);
    if (this.keys.size <= MAX_KEYS) return;
    const [oldest] = this.keys.values();
    if (oldest !== undefined) this.forget(oldest.generationId);
  }

  /** Whether a key stands for this generation. */
  has(generationId: string): boolean {
    return this.nameOf.has(generationId);
  }

  /** The next request with the key of this generation, if it has one, starts anew. */
  forget(generationId: string): void {
    const name = this.nameOf.get(generationId);
    if (name === undefined) return;
    this.nameOf.delete(generationId);
    this.keys.delete(name);
  }
}

/** A digest, so that a long key or scope costs no more than a short one. */
function scoped(key: string, scope: string): string {
  return fingerprint([scope, key]);
}

function fingerprint(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64');
}
