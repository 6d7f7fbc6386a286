import {
  computed,
  getCurrentInstance,
  type MaybeRefOrGetter,
  onMounted,
  onScopeDispose,
  shallowRef,
  toValue,
  watch,
} from 'vue';
import type { Cast } from '../cast.js';
import type { Setup } from '../conversation/conversation.js';
import type { ConversationsOptions } from '../conversation/conversations.js';
import { conversationsOf } from '../conversation/of-cast.js';
import { OpenConversation } from '../conversation/open-conversation.js';

export interface UseConversationOptions extends ConversationsOptions {
  /** Which conversation; one that is not kept begins with its first question. Default: a new one. */
  id?: MaybeRefOrGetter<string | undefined>;
  /** What a new one begins with: a system prompt, a model, settings. */
  setup?: MaybeRefOrGetter<Partial<Setup>>;
}

/**
 * A conversation with a model, as refs. When the component goes away, an answer on its way is read on
 * and kept. On a server it renders as `loading`.
 */
export function useConversation(cast: Cast, options: UseConversationOptions = {}) {
  const conversations = conversationsOf(cast, options);
  const begin = (): OpenConversation =>
    new OpenConversation(conversations, toValue(options.id), toValue(options.setup));
  const open = shallowRef(begin());
  const view = shallowRef(open.value.view);
  let isStarted = false;
  let unsubscribe = (): void => undefined;

  function follow(): void {
    const look = (): void => void (view.value = open.value.view);
    unsubscribe();
    if (isStarted) unsubscribe = open.value.subscribe(look);
    look();
  }
  function start(): void {
    isStarted = true;
    follow();
  }
  watch(
    () => toValue(options.id),
    (id) => {
      if (id === open.value.id) return;
      open.value = begin();
      follow();
    },
    { flush: 'sync' },
  );
  // On a server nothing is mounted: there it neither connects nor reads the storage.
  if (getCurrentInstance() === null) start();
  else onMounted(start);
  onScopeDispose(() => unsubscribe());

  return {
    /** Also of one that has no question yet. */
    id: computed(() => open.value.id),
    messages: computed(() => view.value.messages),
    status: computed(() => view.value.status),
    error: computed(() => view.value.error),
    /** All of it, with the versions that are not shown. */
    conversation: computed(() => view.value.conversation),
    send: (...asked: Parameters<OpenConversation['send']>) => open.value.send(...asked),
    stop: () => open.value.stop(),
    regenerate: (turnId?: string) => open.value.regenerate(turnId),
    edit: (turnId: string, question: string) => open.value.edit(turnId, question),
    goOn: () => open.value.goOn(),
    showVersion: (turnId: string) => open.value.showVersion(turnId),
    set: (...change: Parameters<OpenConversation['set']>) => open.value.set(...change),
    remove: () => open.value.remove(),
    /** All conversations of this storage. */
    conversations,
  };
}
