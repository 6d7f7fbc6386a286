import { type DBSchema, type IDBPDatabase, openDB } from 'idb';
import type { Conversation } from './conversation';

/** Of the shape of what is kept. A new one needs a step in `upgrade`. */
const VERSION = 1;
const NAME = 'llm-cast';

interface Schema extends DBSchema {
  conversations: { key: string; value: Conversation };
}

/** The conversations of this browser: in IndexedDB, and told to its other tabs. */
export class ConversationStore {
  readonly #db: IDBPDatabase<Schema>;
  readonly #tabs = new BroadcastChannel(NAME);

  private constructor(db: IDBPDatabase<Schema>) {
    this.#db = db;
  }

  /** @throws DOMException where the browser keeps nothing, as in some private windows */
  static async open(): Promise<ConversationStore> {
    const db = await openDB<Schema>(NAME, VERSION, {
      upgrade: (db) => void db.createObjectStore('conversations', { keyPath: 'id' }),
      // A tab with a newer page must not wait for this one.
      blocking: (_from, _to, event) => (event.target as IDBDatabase).close(),
    });
    return new ConversationStore(db);
  }

  /** @param heard gets what another tab has changed; undefined = it has removed it */
  onChange(heard: (id: string, conversation: Conversation | undefined) => void): void {
    this.#tabs.addEventListener('message', async ({ data: id }: MessageEvent<string>) => {
      heard(id, await this.#db.get('conversations', id));
    });
  }

  all(): Promise<Conversation[]> {
    return this.#db.getAll('conversations');
  }

  async put(conversation: Conversation): Promise<void> {
    await this.#db.put('conversations', conversation);
    this.#tabs.postMessage(conversation.id);
  }

  async remove(id: string): Promise<void> {
    await this.#db.delete('conversations', id);
    this.#tabs.postMessage(id);
  }

  /**
   * Reads, changes and writes in one transaction: tabs cannot undo each other's changes.
   * @returns what is kept now; undefined where it was removed
   */
  async change(
    id: string,
    change: (conversation: Conversation) => Conversation,
  ): Promise<Conversation | undefined> {
    const { store, done } = this.#db.transaction('conversations', 'readwrite');
    const before = await store.get(id);
    const after = before && change(before);
    if (after !== undefined) await store.put(after);
    await done;
    this.#tabs.postMessage(id);
    return after;
  }
}
