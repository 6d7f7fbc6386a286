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
    return text === null ? undefined : conversationOf(text, id);
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
          const conversation = read(id);
          if (conversation !== undefined) conversations.push(conversation);
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
        if (newValue === null) return changed(id, undefined);
        const conversation = conversationOf(newValue, id);
        if (conversation !== undefined) changed(id, conversation);
      });
    },
  };
}

/**
 * @returns undefined where it is one of another storage, whose name begins as this one's
 * @throws Error where it is none, or is damaged
 */
function conversationOf(text: string, id: string): Conversation | undefined {
  const kept = (JSON.parse(text) ?? {}) as Partial<Conversation>;
  const isWhole = kept.turns?.every(({ answer }) => answer.state !== undefined) === true;
  if (kept.version !== 2 || !isWhole || !kept.shown || !kept.settings) {
    throw new Error('This is no conversation.');
  }
  return kept.id === id ? (kept as Conversation) : undefined;
}
