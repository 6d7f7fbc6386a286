import type { Cast } from 'llm-cast-client';
import { shownTurns } from 'llm-cast-client/conversation';
import { useConversation } from 'llm-cast-client/vue';
import { computed } from 'vue';
import type { Images } from './images';
import { useAddress } from './use-address';
import type { Conversations } from './use-conversations';

/** The conversation that is shown, and what can be done in it. */
export function useChat(cast: Cast, conversations: Conversations) {
  const { list, storage } = conversations;
  const selected = useAddress();
  const chat = useConversation(cast, {
    storage,
    request: (conversation, turn) => conversations.images.requestOf(conversation, turn),
    // Where none of that id is kept, a new one is shown.
    id: () => list.value.find(({ id }) => id === selected.value)?.id,
    // The model that was picked last is the one to go on with.
    setup: () => ({ model: list.value[0]?.model }),
  });

  /** @returns whether it was asked: another tab may have been first */
  async function ask(question: string, images: Images = new Map()): Promise<boolean> {
    if (images.size > 0) await conversations.images.add(images);
    const sent = chat.send(question, images.size > 0 ? { images: [...images.keys()] } : {});
    selected.value = chat.id.value;
    return sent;
  }

  async function rename(id: string, title: string): Promise<void> {
    if (title.trim() === '') return;
    await conversations.change(id, (now) => ({ ...now, title: title.trim() }));
  }

  async function remove(id: string): Promise<void> {
    if (selected.value === id) begin();
    await conversations.remove(id);
  }

  async function undoRemove(): Promise<void> {
    const id = conversations.removed.value?.id;
    await conversations.undoRemove();
    if (id !== undefined) selected.value = id;
  }

  /** Begins a new conversation. */
  function begin(): void {
    selected.value = '';
  }

  return {
    selected,
    current: chat.conversation,
    /** The turns that are shown. */
    turns: computed(() => shownTurns(chat.conversation.value)),
    ask,
    /** Adds a version of a turn: another answer, or another question. */
    retry: chat.regenerate,
    edit: chat.edit,
    /** Has the model go on with the last answer. */
    goOn: chat.goOn,
    /** Shows another version of a turn. */
    show: chat.showVersion,
    stop: chat.stop,
    set: chat.set,
    rename,
    remove,
    undoRemove,
    begin,
  };
}
