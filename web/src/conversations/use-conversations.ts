import { computed, ref, shallowReactive, shallowRef } from 'vue';
import type { Conversation } from './conversation';
import { ConversationStore } from './conversation-store';

/** The conversations of this browser, as they are in any of its tabs. */
export async function useConversations() {
  const kept = shallowReactive(new Map<string, Conversation>());
  // A browser that keeps nothing still chats.
  const store = await ConversationStore.open().catch(() => undefined);
  const removed = shallowRef<Conversation>();

  function show(id: string, conversation: Conversation | undefined): void {
    if (conversation === undefined) kept.delete(id);
    else kept.set(id, conversation);
  }
  store?.onChange(show);
  for (const conversation of (await store?.all()) ?? []) show(conversation.id, conversation);

  /** Whether they are still there tomorrow. */
  const areKept = ref(store !== undefined);

  /** Writes; where the browser refuses, the page goes on without. */
  async function keep<T>(write: (store: ConversationStore) => Promise<T>): Promise<T | undefined> {
    try {
      return store && (await write(store));
    } catch {
      areKept.value = false;
      return undefined;
    }
  }

  async function add(conversation: Conversation): Promise<void> {
    show(conversation.id, conversation);
    await keep((store) => store.put(conversation));
  }

  async function change(
    id: string,
    change: (conversation: Conversation) => Conversation,
  ): Promise<void> {
    const after = await keep((store) => store.change(id, change));
    const before = kept.get(id);
    show(id, areKept.value ? after : before && change(before));
  }

  async function remove(id: string): Promise<void> {
    removed.value = kept.get(id);
    kept.delete(id);
    await keep((store) => store.remove(id));
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
  };
}

export type Conversations = Awaited<ReturnType<typeof useConversations>>;
