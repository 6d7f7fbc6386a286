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

/** An image that no conversation has, for so long, goes. Until then it may be about to be asked. */
const UNUSED_MS = 24 * 3600 * 1000;

interface KeptImage {
  /** In base64. */
  readonly data: string;
  /** In milliseconds since 1970. */
  readonly keptAt: number;
}

interface Schema extends DBSchema {
  conversations: { key: string; value: KeptConversation };
  /** By id. They never change. */
  images: { key: string; value: KeptImage };
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
    // The browser is not to clear it when space is short.
    void navigator.storage?.persist?.().catch(() => undefined);
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

  async putImages(images: ReadonlyMap<string, string>): Promise<void> {
    const db = await this.#open();
    const { store, done } = db.transaction('images', 'readwrite');
    const keptAt = Date.now();
    await Promise.all([...images].map(([id, data]) => store.put({ data, keptAt }, id)));
    await done;
  }

  /** @returns the image in base64; undefined where there is none */
  async image(id: string): Promise<string | undefined> {
    const db = await this.#open();
    return (await db.get('images', id))?.data;
  }

  /** Removes the images that are not in use. */
  async pruneImages(used: ReadonlySet<string>): Promise<void> {
    const db = await this.#open();
    const { store, done } = db.transaction('images', 'readwrite');
    for (const id of await store.getAllKeys()) {
      if (used.has(id)) continue;
      const image = await store.get(id);
      if (image !== undefined && image.keptAt < Date.now() - UNUSED_MS) await store.delete(id);
    }
    await done;
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
