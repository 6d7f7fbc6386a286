import type { Cast, View } from 'llm-cast-client';
import { type Conversation, conversationsOf } from 'llm-cast-client/conversation';
import { onScopeDispose, shallowReactive, shallowRef, type ShallowRef } from 'vue';
import { ConversationStore } from './conversation-store';
import { ImageShelf, imagesOf } from './images';

/** The conversations of this browser, as they are in any of its tabs. */
export async function useConversations(cast: Cast) {
  const storage = new ConversationStore();
  const images = new ImageShelf(storage);
  const conversations = conversationsOf(cast, {
    storage,
    request: (conversation, turn) => images.requestOf(conversation, turn),
  });
  const list = shallowRef(conversations.list);
  const removed = shallowRef(conversations.removed);
  const areKept = shallowRef(true);
  const views = shallowReactive(new Map<string, Readonly<ShallowRef<View>>>());
  const subscriptions = new Map<string, () => void>();

  function look(): void {
    list.value = conversations.list;
    removed.value = conversations.removed;
    areKept.value = conversations.areKept;
    const { streams } = conversations;
    for (const [id, stream] of streams) {
      if (views.has(id)) continue;
      const view = shallowRef(stream.view);
      views.set(id, view);
      subscriptions.set(
        id,
        stream.subscribe(() => (view.value = stream.view)),
      );
    }
    for (const id of views.keys()) if (!streams.has(id)) forget(id);
  }
  function forget(id: string): void {
    subscriptions.get(id)?.();
    subscriptions.delete(id);
    views.delete(id);
  }

  const unsubscribe = conversations.subscribe(look);
  onScopeDispose(() => {
    unsubscribe();
    for (const id of views.keys()) forget(id);
  });
  await conversations.load();
  // What cannot be read may have images too.
  if (conversations.unreadable === 0 && conversations.areKept) {
    const used = new Set(conversations.list.flatMap(imagesOf));
    void storage.pruneImages(used).catch(() => undefined);
  }

  return {
    storage,
    images,
    /** The latest first. */
    list,
    get: (id: string) => conversations.get(id),
    add: (conversation: Conversation) => conversations.add(conversation),
    change: (...asked: Parameters<typeof conversations.change>) => conversations.change(...asked),
    remove: (id: string) => conversations.remove(id),
    /** What the streams of running answers have, by the answer's id. */
    views,
    /** The one that was removed last, until it is brought back or forgotten. */
    removed,
    undoRemove: () => conversations.undoRemove(),
    forgetRemoved: () => conversations.forgetRemoved(),
    /** Whether all of it is still there tomorrow. A browser that keeps nothing still chats. */
    areKept,
    /** How many are kept and cannot be read. */
    unreadable: conversations.unreadable,
  };
}

export type Conversations = Awaited<ReturnType<typeof useConversations>>;
/** By the answer's id. */
export type RunningViews = Conversations['views'];
