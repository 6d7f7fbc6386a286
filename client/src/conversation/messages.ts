import type { ToolCall } from '../protocol.js';
import type { View } from '../view.js';
import { partOf } from './answer-of-view.js';
import type { Answer, Conversation, Failure, Turn } from './conversation.js';
import { shownTurns, versionsOf } from './turns.js';

/** The versions of a message: its turn was edited, or answered again. */
export interface Versions {
  /** Ids of the turns, in the order in which they were asked. */
  readonly ids: readonly string[];
  /** Which of them is shown; 0 is the first. */
  readonly shown: number;
}

/** A question, as a list of messages shows it. */
export interface UserMessage {
  readonly role: 'user';
  readonly id: string;
  /** For `edit`, `regenerate` and `showVersion`. */
  readonly turnId: string;
  readonly content: string;
  readonly images: readonly string[];
  readonly versions: Versions;
}

/** An answer, as a list of messages shows it. Until it is over it is another object each time. */
export interface AssistantMessage {
  readonly role: 'assistant';
  readonly id: string;
  readonly turnId: string;
  readonly content: string;
  readonly thinking: string;
  /** What the model says where it declines. */
  readonly refusal: string | undefined;
  readonly toolCalls: readonly ToolCall[];
  /** `queued`, `starting` and so on while it is on its way. */
  readonly state: View['state'] | Answer['state'];
  /** While it is queued: the place in the line; 1 is next. */
  readonly position: number | undefined;
  /** Why it is missing or not whole. */
  readonly failure: Failure | undefined;
  readonly answer: Answer;
  readonly versions: Versions;
}

export type Message = UserMessage | AssistantMessage;

interface Shown {
  question: UserMessage;
  answer: AssistantMessage;
  /** What the answer was made of. */
  turn: Turn;
  view: View | undefined;
}

/** Makes the messages of a conversation, those that have not changed as the same objects again. */
export class MessageList {
  #shown = new Map<string, Shown>();

  /** @param viewOf what the stream of an answer has, while it runs */
  of(conversation: Conversation, viewOf: (answerId: string) => View | undefined): Message[] {
    const shown = new Map<string, Shown>();
    for (const turn of shownTurns(conversation)) {
      const view = viewOf(turn.answer.id);
      const last = this.#shown.get(turn.id);
      const versions = versionsAt(conversation, turn);
      const isSame = last?.question.versions.ids.length === versions.ids.length;
      shown.set(turn.id, {
        question: isSame ? last.question : questionOf(turn, versions),
        answer:
          isSame && isUnchanged(last, turn, view) ? last.answer : answerOf(turn, view, versions),
        turn,
        view,
      });
    }
    this.#shown = shown;
    return [...shown.values()].flatMap(({ question, answer }) => [question, answer]);
  }
}

/** A storage gives other objects each time, but an answer that is over never changes. */
function isUnchanged(last: Shown, turn: Turn, view: View | undefined): boolean {
  if (last.view !== view) return false;
  if (last.turn.answer === turn.answer) return true;
  return view === undefined && last.turn.answer.state === turn.answer.state;
}

function versionsAt(conversation: Conversation, turn: Turn): Versions {
  const ids = versionsOf(conversation, turn).map(({ id }) => id);
  return { ids, shown: ids.indexOf(turn.id) };
}

function questionOf({ id, question, images = [] }: Turn, versions: Versions): UserMessage {
  return { role: 'user', id, turnId: id, content: question, images, versions };
}

function answerOf(turn: Turn, view: View | undefined, versions: Versions): AssistantMessage {
  const answer = view === undefined ? turn.answer : partOf(turn.answer, view);
  const { id, text, thinking, refusal, toolCalls = [], failure } = answer;
  return {
    role: 'assistant',
    id,
    turnId: turn.id,
    content: text,
    thinking,
    refusal,
    toolCalls,
    state: answer.state === 'running' && view !== undefined ? view.state : answer.state,
    position: view?.position,
    failure,
    answer,
    versions,
  };
}
