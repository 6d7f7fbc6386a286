import { type DBSchema, type IDBPDatabase, openDB } from 'idb';
import type { Conversation } from './conversation';

/** Of the shape of what is kept. A new one needs a step in `upgrade`. */
const VERSION = 1;
const NAME = 'llm-cast';

interface Schema extends DBSchema {
  conversations: { key: string; value: Conversation };
}

/**
 * The conversations of this browser: in IndexedDB, and told to its other tabs. Whatever is asked of
 * it throws a DOMException where the browser keeps nothing, as in some private windows, or no more.
 */
export class ConversationStore {
  #db: Promise<IDBPDatabase<Schema>> | undefined;
  readonly #tabs = new BroadcastChannel(NAME);

  /** @param heard gets what another tab has changed; undefined = it has removed it */
  onChange(heard: (id: string, conversation: Conversation | undefined) => void): void {
    this.#tabs.addEventListener('message', ({ data: id }: MessageEvent<string>) => {
      void this.#get(id).then(
        (conversation) => heard(id, conversation),
        // What cannot be read is no reason to forget what is shown.
        () => undefined,
      );
    });
  }

  /** @returns those that can be read, and how many cannot */
  async all(): Promise<{ conversations: Conversation[]; unreadable: number }> {
    const db = await this.#open();
    const ids = await db.getAllKeys('conversations');
    // One by one: a single value that is damaged on the disk makes `getAll` fail.
    const read = await Promise.allSettled(ids.map((id) => this.#get(id)));
    return {
      conversations: read.flatMap((one) => (one.status === 'fulfilled' && one.value) || []),
      unreadable: read.filter(({ status }) => status === 'rejected').length,
    };
  }

  async put(conversation: Conversation): Promise<void> {
    const db = await this.#open();
    await db.put('conversations', conversation);
    this.#tabs.postMessage(conversation.id);
  }

  async remove(id: string): Promise<void> {
    const db = await this.#open();
    await db.delete('conversations', id);
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
    const db = await this.#open();
    const { store, done } = db.transaction('conversations', 'readwrite');
    const before = await store.get(id);
    const after = before && change(before);
    if (after !== undefined) await store.put(after);
    await done;
    if (after !== undefined) this.#tabs.postMessage(id);
    return after;
  }

  async #get(id: string): Promise<Conversation | undefined> {
    const db = await this.#open();
    return db.get('conversations', id);
  }

  /** Opens it anew where it could not be opened, or where the browser has closed it since. */
  async #open(): Promise<IDBPDatabase<Schema>> {
    const forget = (): void => void (this.#db = undefined);
    try {
      this.#db ??= openDB<Schema>(NAME, VERSION, {
        upgrade: (db) => void db.createObjectStore('conversations', { keyPath: 'id' }),
        // A tab with a newer page must not wait for this one.
        blocking: (_from, _to, event) => {
          (event.target as IDBDatabase).close();
          forget();
        },
        terminated: forget,
      });
      return await this.#db;
    } catch (error) {
      forget();
      throw error;
    }
  }
}
