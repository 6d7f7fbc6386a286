import { type DBSchema, type IDBPDatabase, openDB } from 'idb';
import type {
  Conversation,
  ConversationChange,
  ConversationStorage,
} from 'llm-cast-client/conversation';
import { openTabs } from './tabs';
import { type KeptConversation, upgraded } from './upgrade';

/** Of the database. Version 2 has images and versions of a turn; see `upgraded`. */
const VERSION = 2;
const NAME = 'llm-cast';

interface Schema extends DBSchema {
  conversations: { key: string; value: KeptConversation };
  /** By id, as base64. They never change. */
  images: { key: string; value: string };
}

/**
 * The conversations of this browser, in IndexedDB; the other tabs hear of each change. Its methods
 * throw a DOMException where the browser keeps nothing, as in some private windows, or no more.
 */
export class ConversationStore implements ConversationStorage {
  #db: Promise<IDBPDatabase<Schema>> | undefined;
  readonly #tabs = openTabs();

  /** @param heard gets what another tab has changed; undefined = it has removed it */
  onChange(heard: ConversationChange): void {
    this.#tabs.onTold((id) => {
      void this.#get(id).then(
        (conversation) => heard(id, conversation),
        // What is shown stays when it cannot be read.
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
    this.#tabs.tell(conversation.id);
  }

  async remove(id: string): Promise<void> {
    const db = await this.#open();
    await db.delete('conversations', id);
    this.#tabs.tell(id);
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
    const after = before && change(upgraded(before));
    if (after !== undefined) await store.put(after);
    await done;
    if (after !== undefined) this.#tabs.tell(id);
    return after;
  }

  async #get(id: string): Promise<Conversation | undefined> {
    const db = await this.#open();
    const kept = await db.get('conversations', id);
    return kept && upgraded(kept);
  }

  /** Opens it anew where it could not be opened, or where the browser has closed it since. */
  async #open(): Promise<IDBPDatabase<Schema>> {
    const forget = (): void => void (this.#db = undefined);
    try {
      this.#db ??= openDB<Schema>(NAME, VERSION, {
        upgrade(db, from) {
          if (from < 1) db.createObjectStore('conversations', { keyPath: 'id' });
          if (from < 2) db.createObjectStore('images');
        },
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
