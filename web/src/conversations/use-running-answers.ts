import type { Cast, View } from 'llm-cast-client';
import { useCast } from 'llm-cast-client/vue';
import { effectScope, shallowReactive, type ShallowRef, watch } from 'vue';
import { type Answer, type Conversation, isRunning, requestOf, withAnswer } from './conversation';
import type { Conversations } from './use-conversations';

/** How often an answer that runs is kept, so that a server that goes down takes little with it. */
const KEEP_MS = 1_000;
/** The server forgets an idempotency key after RETAIN_MS (10 min): behind that, asking starts anew. */
const KEY_LIVES_MS = 300_000;

interface RunningAnswer {
  view: Readonly<ShallowRef<View>>;
  cancel: () => void;
  /** Reads it no more. */
  leave: () => void;
}

/**
 * Reads every answer that runs, whichever conversation is shown and whichever tab has asked: after a
 * reload, and in a second tab, that is the same thing.
 */
export function useRunningAnswers(cast: Cast, conversations: Conversations) {
  const running = shallowReactive(new Map<string, RunningAnswer>());

  function read(conversation: Conversation, answer: Answer): RunningAnswer {
    const scope = effectScope(true);
    const change = (update: (answer: Answer) => Answer): Promise<void> =>
      conversations.change(conversation.id, (now) => whileRunning(now, answer.id, update));

    return scope.run(() => {
      const { view, follow, chat, cancel } = useCast(cast);
      let keptAt = Date.now();
      watch(view, (now, before) => {
        if (now.result !== undefined || now.error !== undefined) {
          scope.stop();
          void change((kept) => ended(kept, now)).then(() => running.delete(answer.id));
        } else if (now.generationId !== before.generationId || Date.now() > keptAt + KEEP_MS) {
          keptAt = Date.now();
          void change((kept) => partOf(kept, now));
        }
      });
      if (answer.generationId !== undefined) follow(cast.join(answer.generationId));
      else chat(requestOf(conversation));
      return { view, cancel, leave: () => scope.stop() };
    })!;
  }

  watch(
    () => conversations.list.value.filter(isRunning),
    (list) => {
      const asked = list.map((conversation) => ({ conversation, answer: lastOf(conversation) }));
      for (const [id, { leave }] of running) {
        if (asked.some(({ answer }) => answer.id === id)) continue;
        leave();
        running.delete(id);
      }
      for (const { conversation, answer } of asked) {
        if (running.has(answer.id)) continue;
        const isStale = Date.now() > answer.askedAt + KEY_LIVES_MS;
        if (answer.generationId === undefined && isStale) {
          void conversations.change(conversation.id, (now) =>
            whileRunning(now, answer.id, neverAsked),
          );
        } else running.set(answer.id, read(conversation, answer));
      }
    },
    { immediate: true },
  );

  return running;
}

const lastOf = ({ turns }: Conversation): Answer => turns.at(-1)!.answer;

/** Another tab may know already how it has ended: one that wakes late must not know better. */
function whileRunning(
  conversation: Conversation,
  id: string,
  update: (answer: Answer) => Answer,
): Conversation {
  return withAnswer(conversation, id, (kept) => (kept.state === 'running' ? update(kept) : kept));
}

/** As much of it as is there. */
export function partOf(
  answer: Answer,
  { seq, generationId, text, thinking, refusal }: View,
): Answer {
  const asked = generationId === undefined ? answer : { ...answer, generationId };
  // Before the first record, what was kept before a reload is the longer one.
  return seq === 0 ? asked : { ...asked, text: text || refusal, thinking };
}

/** All of it, or why not. */
function ended(answer: Answer, view: View): Answer {
  const { result, error } = view;
  const part = partOf(answer, view);
  if (error?.code === 'aborted') return { ...part, state: 'cancelled', reason: 'client' };
  if (error !== undefined) {
    const { code, message } = error;
    return { ...part, state: 'failed', failure: { code, message } };
  }
  if (result?.state === 'cancelled') return { ...part, state: 'cancelled', reason: result.reason };
  if (result?.state !== 'completed') return part;
  const { finishReason: reason, usage, timings } = result;
  const { tokensPerSecond, firstTokenMs } = timings;
  const measured = { tokens: usage?.completionTokens ?? null, tokensPerSecond, firstTokenMs };
  return { ...part, state: 'completed', reason, measured };
}

function neverAsked(answer: Answer): Answer {
  const message = 'The page was closed before the server had the question.';
  return { ...answer, state: 'failed', failure: { code: 'unanswered', message } };
}

export type RunningAnswers = ReturnType<typeof useRunningAnswers>;
