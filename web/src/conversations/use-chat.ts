import type { Cast } from 'llm-cast-client';
import { computed, shallowRef } from 'vue';
import { type Conversation, newAnswer, newConversation, type Turn } from './conversation';
import { newId } from './new-id';
import { isRunning, runningTurns, showing, shownTurns, withTurn } from './turns';
import { useAddress } from './use-address';
import type { Conversations } from './use-conversations';
import { useRunningAnswers } from './use-running-answers';

/** The conversation that is shown, and what can be done in it. */
export function useChat(cast: Cast, conversations: Conversations) {
  const running = useRunningAnswers(cast, conversations);
  const selected = useAddress();
  // The model that was picked last is the one to go on with.
  const blank = () => newConversation(conversations.list.value[0]?.model);
  const draft = shallowRef(blank());
  const current = computed(() => conversations.get(selected.value) ?? draft.value);
  /** The turns that are shown. */
  const turns = computed(() => shownTurns(current.value));

  function stop(): void {
    const last = turns.value.at(-1);
    if (last !== undefined) running.get(last.answer.id)?.cancel();
  }

  /** Changes what is not a question. */
  async function set(
    change: Partial<Pick<Conversation, 'system' | 'model' | 'settings'>>,
  ): Promise<void> {
    const { id } = current.value;
    if (id === draft.value.id) draft.value = { ...draft.value, ...change };
    else await conversations.change(id, (now) => ({ ...now, ...change }));
  }

  async function ask(question: string): Promise<void> {
    if (isRunning(current.value)) return;
    const id = newId();
    const asked = (now: Conversation): Conversation => {
      // Another tab may have asked meanwhile.
      if (isRunning(now)) return now;
      const parent = shownTurns(now).at(-1)?.id ?? '';
      return withTurn(now, { id, parent, question, answer: newAnswer(now) });
    };
    if (current.value.id !== draft.value.id) return conversations.change(current.value.id, asked);
    const begun = asked(draft.value);
    const added = conversations.add(begun);
    draft.value = blank();
    selected.value = begun.id;
    return added;
  }

  /** Adds a version of a turn: another answer, and perhaps another question. */
  async function askAgain(turn: Turn, question = turn.question): Promise<void> {
    stop();
    const version = { ...turn, id: newId(), question, answer: newAnswer(current.value) };
    await conversations.change(current.value.id, (now) => withTurn(now, version));
  }

  /** Shows another version of a turn. */
  async function show(version: Turn): Promise<void> {
    await conversations.change(current.value.id, (now) => showing(now, version));
  }

  async function remove(id: string): Promise<void> {
    const conversation = conversations.get(id);
    const unfinished = conversation === undefined ? [] : runningTurns(conversation);
    for (const { answer } of unfinished) running.get(answer.id)?.cancel();
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
    running,
    selected,
    current,
    turns,
    ask,
    askAgain,
    show,
    stop,
    set,
    remove,
    undoRemove,
    begin,
  };
}
