import { type Conversation, shownTurns, type Turn } from 'llm-cast-client/conversation';
import { onScopeDispose, type Ref, ref, watch } from 'vue';
import type { Conversations } from '../conversations/use-conversations';
import { browserStorage } from './browser-storage';
import type { RowState } from './ConversationRow.vue';
import { notify } from './use-notifications';

/** Where all tabs have the ids of the conversations with an answer that nobody has seen. */
const KEY = 'llm-cast unread';
/** So long, in ms, another tab has time to say that the answer is seen there. */
const SEEN_ELSEWHERE_MS = 1_000;

/** What goes on in the conversations that are not shown, and when the page is not. */
export function useBackground({ list, views }: Conversations, selected: Readonly<Ref<string>>) {
  const unread = ref(read());

  function setUnread(id: string, isUnread: boolean): void {
    const ids = read();
    if (ids.has(id) === isUnread) return;
    if (isUnread) ids.add(id);
    else ids.delete(id);
    unread.value = ids;
    browserStorage.write(KEY, JSON.stringify([...ids]));
  }

  /** The conversation that is shown has been seen. */
  function see(): void {
    if (document.visibilityState === 'visible') setUnread(selected.value, false);
  }
  const onStorage = ({ key }: StorageEvent): void => {
    if (key !== KEY) return;
    unread.value = read();
    // A tab that is not looked at does not know that it is seen here.
    see();
  };
  watch(selected, see, { immediate: true });
  document.addEventListener('visibilitychange', see);
  addEventListener('storage', onStorage);
  onScopeDispose(() => {
    document.removeEventListener('visibilitychange', see);
    removeEventListener('storage', onStorage);
  });

  watch(
    () =>
      new Map(list.value.flatMap((one) => running(one).map(({ answer }) => [answer.id, one.id]))),
    (now, before) => {
      for (const [answerId, id] of before) if (!now.has(answerId)) end(id, answerId);
    },
  );

  function end(id: string, answerId: string): void {
    const conversation = list.value.find((one) => one.id === id);
    const turn = conversation?.turns.find(({ answer }) => answer.id === answerId);
    if (conversation === undefined || turn === undefined || turn.answer.state === 'cancelled')
      return;
    setUnread(id, true);
    see();
    const hasFailed = turn.answer.state === 'failed';
    setTimeout(() => {
      if (!unread.value.has(id)) return;
      notify(conversation.title, hasFailed ? 'The answer failed.' : 'The answer is complete.');
    }, SEEN_ELSEWHERE_MS);
  }

  function stateOf(conversation: Conversation): RowState {
    const unfinished = running(conversation);
    if (unfinished.length > 0) {
      const isWaiting = unfinished.every(
        ({ answer }) => views.get(answer.id)?.value.state === 'queued',
      );
      return isWaiting ? 'waiting' : 'running';
    }
    if (!unread.value.has(conversation.id)) return undefined;
    return shownTurns(conversation).at(-1)?.answer.state === 'failed' ? 'failed' : 'unread';
  }

  return { stateOf };
}

const running = ({ turns }: Conversation): Turn[] =>
  turns.filter(({ answer }) => answer.state === 'running');

function read(): Set<string> {
  try {
    return new Set(JSON.parse(browserStorage.read(KEY) ?? '[]') as string[]);
  } catch {
    return new Set();
  }
}
