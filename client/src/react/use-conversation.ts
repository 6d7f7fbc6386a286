import { useCallback, useMemo, useSyncExternalStore } from 'react';
import type { Cast } from '../cast.js';
import type { Setup } from '../conversation/conversation.js';
import type { ConversationsOptions } from '../conversation/conversations.js';
import { conversationsOf } from '../conversation/of-cast.js';
import { OpenConversation } from '../conversation/open-conversation.js';

export interface UseConversationOptions extends ConversationsOptions {
  /** Which conversation; one that is not kept begins with its first question. Default: a new one. */
  id?: string;
  /** What a new one begins with: a system prompt, a model, settings. Looked at when `id` changes. */
  setup?: Partial<Setup>;
}

/**
 * A conversation with a model, as state. When the component goes away, an answer on its way is read
 * on and kept. On a server it renders as `loading`.
 */
export function useConversation(cast: Cast, options: UseConversationOptions = {}) {
  const { id, setup } = options;
  const conversations = conversationsOf(cast, options);
  const open = useMemo(() => new OpenConversation(conversations, id, setup), [conversations, id]);
  const subscribe = useCallback((changed: () => void) => open.subscribe(changed), [open]);
  const look = () => open.view;
  const view = useSyncExternalStore(subscribe, look, look);
  const actions = useMemo(
    () => ({
      send: (...asked: Parameters<OpenConversation['send']>) => open.send(...asked),
      stop: () => open.stop(),
      regenerate: (turnId?: string) => open.regenerate(turnId),
      edit: (turnId: string, question: string) => open.edit(turnId, question),
      goOn: () => open.goOn(),
      showVersion: (turnId: string) => open.showVersion(turnId),
      set: (...change: Parameters<OpenConversation['set']>) => open.set(...change),
      remove: () => open.remove(),
    }),
    [open],
  );
  return { id: open.id, ...view, ...actions, conversations };
}
