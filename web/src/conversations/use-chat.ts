import type { Cast } from 'llm-cast-client';
import { computed, shallowRef } from 'vue';
import {
  type Conversation,
  isRunning,
  newAnswer,
  newConversation,
  newTurn,
  titleOf,
  withAnswer,
} from './conversation';
import { useAddress } from './use-address';
import type { Conversations } from './use-conversations';
import { useRunningAnswers } from './use-running-answers';

/** The conversation that is shown, and what can be done in it. */
export function useChat(cast: Cast, conversations: Conversations) {
  const running = useRunningAnswers(cast, conversations);
  const selected = useAddress();
  // Who has picked a model goes on with it.
  const blank = () => newConversation(conversations.list.value[0]?.model);
  const draft = shallowRef(blank());
  const current = computed(() => conversations.get(selected.value) ?? draft.value);
  const last = computed(() => current.value.turns.at(-1));

  function stop(): void {
    if (last.value !== undefined) running.get(last.value.answer.id)?.cancel();
  }

  /** What is not a question: the system prompt, the model. */
  async function set(change: Partial<Pick<Conversation, 'system' | 'model'>>): Promise<void> {
    const { id } = current.value;
    if (id === draft.value.id) draft.value = { ...draft.value, ...change };
    else await conversations.change(id, (now) => ({ ...now, ...change }));
  }

  async function ask(question: string): Promise<void> {
    if (isRunning(current.value)) return;
    const turn = newTurn(question, current.value.model);
    const asked = (now: Conversation): Conversation => {
      // Another tab may have asked meanwhile.
      if (isRunning(now)) return now;
      const title = now.title || titleOf(question);
      return { ...now, title, updatedAt: Date.now(), turns: [...now.turns, turn] };
    };
    const { id } = current.value;
    if (id !== draft.value.id) return conversations.change(id, asked);
    const added = conversations.add(asked(draft.value));
    draft.value = blank();
    selected.value = id;
    return added;
  }

  /** Asks the last question again; its answer is replaced. */
  async function retry(): Promise<void> {
    const { id, model } = current.value;
    if (last.value === undefined || isRunning(current.value)) return;
    const { answer } = last.value;
    await conversations.change(id, (now) => withAnswer(now, answer.id, () => newAnswer(model)));
  }

  /** Asks another question in place of one; what follows that is dropped. */
  async function edit(turnId: string, question: string): Promise<void> {
    stop();
    const turn = newTurn(question, current.value.model);
    await conversations.change(current.value.id, (now) => {
      const at = now.turns.findIndex(({ id }) => id === turnId);
      // Another tab may have dropped it.
      if (at === -1) return now;
      const title = at === 0 ? titleOf(question) : now.title;
      return { ...now, title, updatedAt: Date.now(), turns: [...now.turns.slice(0, at), turn] };
    });
  }

  async function remove(id: string): Promise<void> {
    const answer = conversations.get(id)?.turns.at(-1)?.answer;
    if (answer !== undefined) running.get(answer.id)?.cancel();
    if (selected.value === id) begin();
    await conversations.remove(id);
  }

  async function undoRemove(): Promise<void> {
    const id = conversations.removed.value?.id;
    await conversations.undoRemove();
    if (id !== undefined) selected.value = id;
  }

  /** A new conversation. */
  function begin(): void {
    selected.value = '';
  }

  return { running, selected, current, ask, retry, edit, stop, set, remove, undoRemove, begin };
}
