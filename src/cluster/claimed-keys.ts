import type { Claim } from '../generations/store/generation-store.js';
import { CastError } from '../protocol/errors.js';
import { digest, keyOf } from './keys.js';
import type { RedisClient } from './redis.js';
import type { RefusedStarts } from './refused-starts.js';

/** How long a key may stand for a generation that nobody can find yet, in milliseconds. */
const CLAIM_MS = 60_000;
/** When to ask again for one that is on its way. */
const SOON_MS = 1_000;

/** Idempotency keys, which stand for one generation on all nodes. */
export class ClaimedKeys {
  /** Their names in Redis, by the generation that runs here, or is about to. */
  private readonly names = new Map<string, string>();

  /** @param isKnown whether a generation can be found */
  constructor(
    private readonly redis: RedisClient,
    private readonly refused: RefusedStarts,
    private readonly isKnown: (id: string) => Promise<boolean>,
  ) {}

  /** See `GenerationStore.keyed`. */
  async keyed({ key, user, asked }: Claim): Promise<string | undefined> {
    const name = this.redis.prefix + keyOf(user, key);
    const text = await this.redis.ask((client) => client.get(name));
    if (text === null) return undefined;
    const id = idOf(text, asked);
    return (await this.isLost(name, id)) ? undefined : id;
  }

  /** See `GenerationStore.claim`. */
  async claim({ key, user, asked }: Claim, id: string): Promise<string> {
    const name = this.redis.prefix + keyOf(user, key);
    const text = JSON.stringify({ id, f: fingerprint(asked) });
    const orNote = (error: unknown): never => {
      // Redis may have done it all the same.
      this.refused.note(id, name);
      throw error;
    };
    const before = await this.redis
      .ask((client) => client.set(name, text, 'PX', CLAIM_MS, 'NX', 'GET'))
      .catch(orNote);
    if (before !== null) {
      const winner = idOf(before, asked);
      if (!(await this.isLost(name, winner))) return winner;
      const args = [before, text, CLAIM_MS];
      if ((await this.redis.run('reclaim', [name], args).catch(orNote)) !== 1) throw onItsWay();
    }
    this.names.set(id, name);
    return id;
  }

  /** The generation did not begin: its key is new again. */
  async unclaim(id: string): Promise<void> {
    const name = this.take(id);
    if (name === undefined) return;
    await this.setLife(name, id, 0).catch(() => this.refused.note(id, name));
  }

  /** Its key, if it has one, stands for it for so many milliseconds. Never rejects. */
  async keep(id: string, ms: number): Promise<void> {
    const name = this.names.get(id);
    if (name !== undefined) await this.setLife(name, id, ms).catch(() => undefined);
  }

  /** It is over: its key stands for it for so many milliseconds more, 0 = no longer. Never rejects. */
  async ended(id: string, ms: number): Promise<void> {
    const name = this.take(id);
    if (name !== undefined) await this.setLife(name, id, ms).catch(() => undefined);
  }

  /** It does not run here any more, and its key stands for it as before. */
  forget(id: string): void {
    this.names.delete(id);
  }

  /** The name in Redis of the key of what runs here. */
  nameOf(id: string): string | undefined {
    return this.names.get(id);
  }

  /** What runs here from now on was begun by another node. */
  inherit(id: string, name: string): void {
    this.names.set(id, name);
  }

  private take(id: string): string | undefined {
    const name = this.names.get(id);
    this.names.delete(id);
    return name;
  }

  private setLife(name: string, id: string, ms: number): Promise<unknown> {
    return this.redis.run('keyLife', [name], [id, ms]);
  }

  /**
   * Whether Redis has lost the generation that a key stands for.
   * @throws CastError `store_unavailable` for one that is on its way
   */
  private async isLost(name: string, id: string): Promise<boolean> {
    if (this.names.has(id) || (await this.isKnown(id))) return false;
    const left = await this.redis.ask((client) => client.pttl(name));
    if (left > CLAIM_MS) return true;
    throw onItsWay();
  }
}

function onItsWay(): CastError {
  return new CastError('store_unavailable', { retryAfterMs: SOON_MS });
}

/** @throws CastError `idempotency_conflict` */
function idOf(text: string, asked: unknown): string {
  const { id, f } = JSON.parse(text) as { id: string; f: string };
  if (f !== fingerprint(asked)) throw new CastError('idempotency_conflict');
  return id;
}

/** The digest of what was asked. */
function fingerprint(asked: unknown): string {
  return digest(JSON.stringify(asked));
}
