import { Listeners } from '../listeners.js';
import { randomId } from '../platform.js';
import type { CastStream } from '../stream.js';
import {
  type Conversation,
  continued,
  type Failure,
  newAnswer,
  newConversation,
  type Setup,
} from './conversation.js';
import type { Conversations } from './conversations.js';
import { type Message, MessageList } from './messages.js';
import { isRunning, runningTurns, showing, shownTurns, withAnswer, withTurn } from './turns.js';

/**
 * - `loading`: the storage is being read
 * - `ready`: it can be asked
 * - `submitted`: asked, and no text yet
 * - `streaming`: the text comes
 * - `error`: the last answer has failed; it can be asked again
 */
export type ConversationStatus = 'loading' | 'ready' | 'submitted' | 'streaming' | 'error';

/** A conversation at one moment. It never changes: after a change there is another one. */
export interface ConversationView {
  readonly conversation: Conversation;
  /** What is shown of it: questions and answers in turn. */
  readonly messages: readonly Message[];
  readonly status: ConversationStatus;
  /** Why the last answer is missing or not whole. */
  readonly error: Failure | undefined;
}

/** One conversation, and what can be done in it. */
export class OpenConversation {
  readonly id: string;
  #draft: Conversation;
  #view: ConversationView | undefined;
  readonly #messages = new MessageList();
  readonly #listeners = new Listeners();
  #stop: (() => void) | undefined;
  /** Those of the running answers, and what ends the subscription to each. */
  #streams = new Map<CastStream, () => void>();

  /**
   * @param id of a conversation that is there, or of one that begins with its first question
   * @param setup what a new one begins with
   */
  constructor(
    private readonly conversations: Conversations,
    id = randomId(),
    setup: Partial<Setup> = {},
  ) {
    this.id = id;
    this.#draft = newConversation(id, setup);
  }

  get conversation(): Conversation {
    return this.conversations.get(this.id) ?? this.#draft;
  }

  /** The object is the same one until something changes. */
  get view(): ConversationView {
    // Without a listener nothing says when it is out of date.
    if (this.#view === undefined || this.#stop === undefined) {
      const now = this.#look();
      if (this.#view === undefined || !isSame(this.#view, now)) this.#view = now;
    }
    return this.#view;
  }

  /** Hears of each change of `view`. @returns a function that ends it */
  subscribe(changed: () => void): () => void {
    const remove = this.#listeners.add(changed);
    this.#stop ??= this.conversations.subscribe(() => this.#refresh());
    this.#refresh();
    return () => {
      remove();
      if (!this.#listeners.isEmpty) return;
      this.#stop?.();
      this.#stop = undefined;
      for (const unsubscribe of this.#streams.values()) unsubscribe();
      this.#streams.clear();
    };
  }

  /**
   * Asks a question, unless an answer is on its way, which another tab may have asked for.
   * @returns whether it was asked
   */
  async send(question: string, { images }: { images?: readonly string[] } = {}): Promise<boolean> {
    const { conversations, id } = this;
    await conversations.load();
    const turnId = randomId();
    const asked = (now: Conversation): Conversation => {
      // Another tab may have asked meanwhile.
      if (isRunning(now)) return now;
      const parent = shownTurns(now).at(-1)?.id ?? '';
      const answer = newAnswer(now);
      return withTurn(now, { id: turnId, parent, question, ...(images && { images }), answer });
    };
    if (conversations.get(id) === undefined) await conversations.add(asked(this.#draft));
    else await conversations.change(id, asked);
    return this.conversation.turns.some((turn) => turn.id === turnId);
  }

  /** Stops the answer at the end of what is shown. What has come of it is kept. */
  stop(): void {
    const last = shownTurns(this.conversation).at(-1);
    if (last?.answer.state === 'running') void this.conversations.stop(this.id, last.answer.id);
  }

  /** Answers a question again, the last one if none is named; the answer before stays as a version. */
  async regenerate(turnId?: string): Promise<void> {
    await this.#askAgain(turnId ?? shownTurns(this.conversation).at(-1)?.id);
  }

  /** Asks another question in the place of one; what stood there stays as a version. */
  async edit(turnId: string, question: string): Promise<void> {
    await this.#askAgain(turnId, question);
  }

  /**
   * Has the model go on with its last answer, which was stopped, was too long or has failed. It is
   * asked with the answer so far as the last message: Ollama and llama.cpp go on in mid-word.
   */
  async goOn(): Promise<void> {
    await this.conversations.change(this.id, (now) => {
      const last = shownTurns(now).at(-1);
      if (last === undefined || isRunning(now)) return now;
      return withAnswer(now, last.answer.id, continued);
    });
  }

  /** Shows another version, and what came after it. */
  async showVersion(turnId: string): Promise<void> {
    await this.conversations.change(this.id, (now) => {
      const turn = now.turns.find(({ id }) => id === turnId);
      return turn === undefined ? now : showing(now, turn);
    });
  }

  /** Changes what the next question is asked with. */
  async set(change: Partial<Setup & Pick<Conversation, 'title'>>): Promise<void> {
    // Until then, one that is kept would be taken for a new one.
    if (!this.conversations.isLoaded) await this.conversations.load();
    if (this.conversations.get(this.id) !== undefined) {
      return this.conversations.change(this.id, (now) => ({ ...now, ...change }));
    }
    this.#draft = { ...this.#draft, ...change };
    this.#refresh();
  }

  /** Removes it, and stops its answers. `conversations.undoRemove` brings it back. */
  async remove(): Promise<void> {
    await this.conversations.remove(this.id);
  }

  async #askAgain(turnId: string | undefined, question?: string): Promise<void> {
    this.stop();
    const id = randomId();
    await this.conversations.change(this.id, (now) => {
      const turn = now.turns.find((turn) => turn.id === turnId);
      if (turn === undefined) return now;
      return withTurn(now, {
        ...turn,
        id,
        question: question ?? turn.question,
        answer: newAnswer(now),
      });
    });
  }

  #refresh(): void {
    // An answer may get another stream, where the server was away for long.
    const running = new Set(
      runningTurns(this.conversation).flatMap(
        ({ answer: { id } }) => this.conversations.streamOf(id) ?? [],
      ),
    );
    for (const [stream, unsubscribe] of this.#streams) {
      if (running.has(stream)) continue;
      unsubscribe();
      this.#streams.delete(stream);
    }
    for (const stream of running) {
      if (this.#streams.has(stream)) continue;
      const unsubscribe = stream.subscribe(() => this.#changed());
      this.#streams.set(stream, unsubscribe);
    }
    this.#changed();
  }

  #changed(): void {
    this.#view = undefined;
    this.#listeners.tell();
  }

  #look(): ConversationView {
    const { conversation } = this;
    const messages = this.#messages.of(
      conversation,
      (answerId) => this.conversations.streamOf(answerId)?.view,
    );
    const last = messages.at(-1);
    const error = last?.role === 'assistant' ? last.failure : undefined;
    return { conversation, messages, status: this.#statusOf(last), error };
  }

  #statusOf(last: Message | undefined): ConversationStatus {
    if (!this.conversations.isLoaded) return 'loading';
    if (last?.role !== 'assistant') return 'ready';
    if (last.answer.state === 'running') return last.content === '' ? 'submitted' : 'streaming';
    return last.answer.state === 'failed' ? 'error' : 'ready';
  }
}

function isSame(one: ConversationView, other: ConversationView): boolean {
  return (
    one.conversation === other.conversation &&
    one.status === other.status &&
    one.messages.length === other.messages.length &&
    one.messages.every((message, at) => message === other.messages[at])
  );
}
