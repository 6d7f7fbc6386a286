import { Generation } from '../../src/generations/generation.js';
import type { Life } from '../../src/generations/lifecycle.js';
import type { Claim, GenerationStore } from '../../src/generations/store/generation-store.js';
import { generationId } from '../../src/protocol/ids.js';
import { until } from './until.js';

/** How long the stores under test keep what has ended, in milliseconds. */
export const RETAIN_MS = 400;
/** Bytes that they hold at most. */
export const MAX_LOG_BYTES = 1_048_576;

/** A store under test, as one node has it. */
export interface StoreUnderTest {
  store: GenerationStore;
  /** The same generations as another node sees them; where there is none, the same store. */
  elsewhere: GenerationStore;
}

/** A generation of that store, which does nothing by itself. */
export function lifeIn(store: GenerationStore, owner?: string, id = store.newId()): Life {
  return {
    generation: new Generation(
      { id, endpoint: 'generate', model: 'm', owner, createdAt: Date.now(), note: undefined },
      {
        cancel: () => undefined,
        onAudience: () => undefined,
        onLost: () => undefined,
        onDelivered: () => undefined,
        giveUp: () => undefined,
        head: () => 0,
        onGrow: (bytes) => store.grow(bytes),
      },
    ),
    request: { endpoint: 'generate', model: 'm', prompt: '' },
    caller: { principal: { kind: 'rest' }, turn: '', requestId: undefined, trace: undefined },
    keep: true,
    trace: undefined,
  };
}

/** It ends, and its store hears of it. */
export function endIn(store: GenerationStore, life: Life): void {
  const { generation } = life;
  generation.announce({ state: 'cancelled' });
  const last = generation.log.ending((proof) => ({
    type: 'end',
    state: 'cancelled',
    reason: 'client',
    upstreamClosedMs: 0,
    ...proof,
  }));
  generation.finish(last);
  store.ended(life, last, undefined);
}

/**
 * What every store of generations does, wherever it keeps them.
 * @param make a store with nothing in it
 */
export function generationStoreContract(name: string, make: () => Promise<StoreUnderTest>): void {
  const claim = (key: string, user = 'ann', prompt = 'x'): Claim => ({
    key,
    user,
    asked: { prompt },
  });

  describe(`${name} as a store of generations`, () => {
    let store: GenerationStore;
    let elsewhere: GenerationStore;
    beforeEach(async () => ({ store, elsewhere } = await make()));

    const lifeOf = (owner?: string): Life => lifeIn(store, owner);
    const end = (life: Life): void => endIn(store, life);
    const find = async (from: GenerationStore, id: string): Promise<Generation> => from.find(id);
    const isThere = (from: GenerationStore, id: string): Promise<boolean> =>
      find(from, id).then(
        () => true,
        (error: unknown) => {
          expect(error).toMatchObject({ code: 'generation_not_found' });
          return false;
        },
      );
    const keyed = async (from: GenerationStore, of: Claim): Promise<string | undefined> =>
      from.keyed(of);
    const claimed = async (from: GenerationStore, of: Claim, id: string): Promise<string> =>
      from.claim(of, id);

    it('gives each generation an id of its own, which is one', () => {
      const ids = Array.from({ length: 100 }, () => store.newId());
      expect(new Set(ids).size).toBe(100);
      for (const id of ids) expect(generationId.safeParse(id).success).toBe(true);
    });

    it('finds what was added, from everywhere, with all that was said', async () => {
      const life = lifeOf('shop/ann');
      await store.add(life);
      life.generation.log.append({ type: 'text', text: 'hello', createdAt: '' });
      for (const from of [store, elsewhere]) {
        await until(async () => (await find(from, life.generation.id)).log.all('text') === 'hello');
        const { model, owner, endpoint } = await find(from, life.generation.id);
        expect({ model, owner, endpoint }).toEqual({
          model: 'm',
          owner: 'shop/ann',
          endpoint: 'generate',
        });
      }
    });

    it('finds nothing under another id', async () => {
      for (const from of [store, elsewhere]) {
        for (const id of [store.newId(), 'A'.repeat(22), '']) {
          expect(await isThere(from, id)).toBe(false);
        }
      }
    });

    it('tells what the generations of a user do, until they have ended', async () => {
      const [own, other] = [lifeOf('shop/ann'), lifeOf('shop/bob')];
      await store.add(own);
      await store.add(other);
      const { id } = own.generation;
      for (const from of [store, elsewhere]) {
        expect(await from.activeOf('shop/ann')).toMatchObject([{ generationId: id }]);
        expect(await from.activeOf('shop/eve')).toEqual([]);
      }
      end(own);
      for (const from of [store, elsewhere]) {
        await until(async () => (await from.activeOf('shop/ann')).length === 0);
      }
    });

    it('keeps what has ended for a while, and then neither it nor its key', async () => {
      const life = lifeOf();
      const { id } = life.generation;
      await claimed(store, claim('k'), id);
      await store.add(life);
      end(life);
      expect((await find(store, id)).state).toBe('cancelled');
      expect(await keyed(store, claim('k'))).toBe(id);
      for (const from of [store, elsewhere]) {
        await until(async () => !(await isThere(from, id)));
        await until(async () => (await keyed(from, claim('k'))) === undefined);
      }
    });

    it('lets one of those that claim a key begin, wherever they ask', async () => {
      const life = lifeOf();
      const { id } = life.generation;
      expect(await keyed(store, claim('k'))).toBeUndefined();
      expect(await claimed(store, claim('k'), id)).toBe(id);
      // Who asks the same node again waits for it there.
      expect(await keyed(store, claim('k'))).toBe(id);
      expect(await claimed(store, claim('k'), store.newId())).toBe(id);
      await store.add(life);
      for (const from of [store, elsewhere]) {
        expect(await claimed(from, claim('k'), from.newId())).toBe(id);
        expect(await keyed(from, claim('k'))).toBe(id);
        const conflict = { code: 'idempotency_conflict' };
        await expect(keyed(from, claim('k', 'ann', 'y'))).rejects.toMatchObject(conflict);
        await expect(claimed(from, claim('k', 'ann', 'y'), id)).rejects.toMatchObject(conflict);
        // Another user's key is another key.
        expect(await keyed(from, claim('k', 'bob'))).toBeUndefined();
      }
    });

    it('knows no key of what did not begin', async () => {
      const id = store.newId();
      await claimed(store, claim('k'), id);
      await store.unclaim(id);
      for (const from of [store, elsewhere]) {
        expect(await keyed(from, claim('k'))).toBeUndefined();
      }
      const next = elsewhere.newId();
      expect(await claimed(elsewhere, claim('k'), next)).toBe(next);
    });

    it('is full when what runs fills its memory, and not because of what has ended', async () => {
      const [first, second] = [lifeOf(), lifeOf()];
      await store.add(first);
      expect(store.isFull).toBe(false);
      const text = 'x'.repeat(MAX_LOG_BYTES);
      first.generation.log.append({ type: 'text', text, createdAt: '' });
      expect(store.isFull).toBe(true);
      end(first);
      await store.add(second);
      expect(store.isFull).toBe(false);
    });
  });
}
