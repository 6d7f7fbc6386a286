import { createHash } from 'node:crypto';
import type { Name } from './generation-store.js';

/** Under which names clients ask for generations that are kept: each name stands for the last one. */
export class Names {
  private readonly ids = new Map<string, string>();
  private readonly digests = new Map<string, string>();

  give(name: Name, generationId: string): void {
    const digest = digestOf(name);
    this.ids.set(digest, generationId);
    this.digests.set(generationId, digest);
  }

  find(name: Name): string | undefined {
    return this.ids.get(digestOf(name));
  }

  /** The generation is no longer kept. */
  forget(generationId: string): void {
    const digest = this.digests.get(generationId);
    if (digest === undefined) return;
    this.digests.delete(generationId);
    if (this.ids.get(digest) === generationId) this.ids.delete(digest);
  }
}

/** A long name costs no more than a short one. */
function digestOf({ name, user }: Name): string {
  return createHash('sha256')
    .update(JSON.stringify([user, name]))
    .digest('base64');
}
