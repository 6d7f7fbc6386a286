import { computed, ref, shallowReactive, shallowRef } from 'vue';
import type { Conversation } from './conversation';
import { ConversationStore } from './conversation-store';

/** The conversations of this browser, as they are in any of its tabs. */
export async function useConversations() {
  const kept = shallowReactive(new Map<string, Conversation>());
  const store = new ConversationStore();
  const removed = shallowRef<Conversation>();
  /** What is newer here than in the store: its write is under way, or was refused. */
  const behind = new Set<string>();
  /** Whether all of it is still there tomorrow. A browser that keeps nothing still chats. */
  const areKept = ref(true);

  function show(id: string, conversation: Conversation | undefined): void {
    if (conversation === undefined) kept.delete(id);
    else kept.set(id, conversation);
  }

  store.onChange((id, conversation) => {
    if (conversation === undefined) behind.delete(id);
    if (!behind.has(id)) show(id, conversation);
    void catchUp();
  });
  const { conversations, unreadable } = await store.all().catch(() => {
    areKept.value = false;
    return { conversations: [], unreadable: 0 };
  });
  for (const conversation of conversations) show(conversation.id, conversation);

  /**
   * Writes what is here, whole.
   * @returns whether the browser has taken it
   */
  async function write(id: string): Promise<boolean> {
    const conversation = kept.get(id);
    behind.add(id);
    try {
      await (conversation === undefined ? store.remove(id) : store.put(conversation));
    } catch {
      areKept.value = false;
      return false;
    }
    // Else a later write is under way.
    if (kept.get(id) === conversation) behind.delete(id);
    return true;
  }

  /** Writes what was refused before: there may be room again. */
  async function catchUp(): Promise<void> {
    if (areKept.value) return;
    for (const id of behind) if (!(await write(id))) return;
    areKept.value = behind.size === 0;
  }

  async function save(id: string): Promise<void> {
    if (await write(id)) await catchUp();
  }

  async function add(conversation: Conversation): Promise<void> {
    show(conversation.id, conversation);
    await save(conversation.id);
  }

  async function change(
    id: string,
    change: (conversation: Conversation) => Conversation,
  ): Promise<void> {
    if (!behind.has(id)) {
      const written = await store.change(id, change).then(
        (after) => ({ after }),
        () => undefined,
      );
      // It may have been removed meanwhile, or another change of it refused.
      if (written !== undefined && !behind.has(id)) {
        show(id, written.after);
        return catchUp();
      }
    }
    const before = kept.get(id);
    if (before === undefined) return;
    show(id, change(before));
    await save(id);
  }

  async function remove(id: string): Promise<void> {
    removed.value = kept.get(id);
    show(id, undefined);
    await save(id);
  }

  async function undoRemove(): Promise<void> {
    const conversation = removed.value;
    removed.value = undefined;
    if (conversation !== undefined) await add(conversation);
  }

  return {
    /** The latest first. */
    list: computed(() => [...kept.values()].sort((one, other) => other.updatedAt - one.updatedAt)),
    get: (id: string) => kept.get(id),
    add,
    change,
    remove,
    /** The one that was removed last, until it is brought back or forgotten. */
    removed,
    undoRemove,
    areKept,
    /** How many are kept and cannot be read. */
    unreadable,
  };
}

export type Conversations = Awaited<ReturnType<typeof useConversations>>;
