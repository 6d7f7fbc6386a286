import type { Cast, View } from 'llm-cast-client';
import { useCast } from 'llm-cast-client/vue';
import { effectScope, shallowReactive, type ShallowRef, watch } from 'vue';
import { ended, neverAsked, partOf } from './answer-of-view';
import type { Answer, Conversation, Turn } from './conversation';
import { requestOf } from './request';
import { runningTurns, withAnswer } from './turns';
import type { Conversations } from './use-conversations';

/** How often an answer that runs is kept, so that a server that goes down takes little with it. */
const KEEP_MS = 1_000;
/** The server forgets an idempotency key after RETAIN_MS (10 min): after that, asking starts anew. */
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

  function read(conversation: Conversation, turn: Turn): RunningAnswer {
    const { answer } = turn;
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
        } else if (stepOf(now) !== stepOf(before) || Date.now() > keptAt + KEEP_MS) {
          keptAt = Date.now();
          void change((kept) => partOf(kept, now));
        }
      });
      if (answer.generationId !== undefined) follow(cast.join(answer.generationId));
      else chat(requestOf(conversation, turn));
      return { view, cancel, leave: () => scope.stop() };
    })!;
  }

  function begin(conversation: Conversation, turn: Turn): void {
    const { id, generationId, askedAt } = turn.answer;
    if (generationId !== undefined || Date.now() <= askedAt + KEY_LIVES_MS) {
      running.set(id, read(conversation, turn));
    } else {
      void conversations.change(conversation.id, (now) => whileRunning(now, id, neverAsked));
    }
  }

  watch(
    () =>
      conversations.list.value.flatMap((conversation) =>
        runningTurns(conversation).map((turn) => ({ conversation, turn })),
      ),
    (asked) => {
      const ids = new Set(asked.map(({ turn }) => turn.answer.id));
      for (const [id, { leave }] of running) {
        if (ids.has(id)) continue;
        leave();
        running.delete(id);
      }
      for (const { conversation, turn } of asked) {
        if (!running.has(turn.answer.id)) begin(conversation, turn);
      }
    },
    { immediate: true },
  );

  return running;
}

/** A new step of a running answer is kept at once. */
const stepOf = ({ generationId, thinking, text }: View): string =>
  `${generationId} ${thinking !== ''} ${text !== ''}`;

/** Another tab may have kept already how it has ended: a tab that wakes late does not change that. */
function whileRunning(
  conversation: Conversation,
  id: string,
  update: (answer: Answer) => Answer,
): Conversation {
  return withAnswer(conversation, id, (kept) => (kept.state === 'running' ? update(kept) : kept));
}

export type RunningAnswers = ReturnType<typeof useRunningAnswers>;
