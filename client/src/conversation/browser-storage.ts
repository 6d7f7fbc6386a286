import type { Conversation } from './conversation.js';
import type { ConversationStorage } from './storage.js';

const known = new Map<string, ConversationStorage>();

/**
 * Keeps conversations in the browser's `localStorage` (some 5 MB), one item each, for all tabs.
 * @param name begins the names of the items
 * @returns the same object for the same name
 */
export function browserStorage(name = 'llm-cast conversation'): ConversationStorage {
  const storage = known.get(name) ?? newStorage(name);
  known.set(name, storage);
  return storage;
}

function newStorage(name: string): ConversationStorage {
  const keyOf = (id: string): string => `${name} ${id}`;
  const idOf = (key: string): string | undefined =>
    key.startsWith(`${name} `) ? key.slice(name.length + 1) : undefined;
  const read = (id: string): Conversation | undefined => {
    const text = localStorage.getItem(keyOf(id));
    return text === null ? undefined : (JSON.parse(text) as Conversation);
  };
  const write = (conversation: Conversation): void =>
    localStorage.setItem(keyOf(conversation.id), JSON.stringify(conversation));

  return {
    async all() {
      const conversations: Conversation[] = [];
      let unreadable = 0;
      for (const id of Object.keys(localStorage).map(idOf)) {
        if (id === undefined) continue;
        try {
          conversations.push(read(id)!);
        } catch {
          unreadable++;
        }
      }
      return { conversations, unreadable };
    },
    put: async (conversation) => write(conversation),
    remove: async (id) => localStorage.removeItem(keyOf(id)),
    async change(id, change) {
      const before = read(id);
      const after = before && change(before);
      if (after !== undefined) write(after);
      return after;
    },
    onChange(changed) {
      addEventListener('storage', ({ key, newValue }) => {
        const id = idOf(key ?? '');
        if (id === undefined) return;
        changed(id, newValue === null ? undefined : (JSON.parse(newValue) as Conversation));
      });
    },
  };
}
