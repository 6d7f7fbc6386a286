import type { Cast } from '../cast.js';
import { asError } from '../cast-error.js';
import type { CastStream } from '../stream.js';
import type { View } from '../view.js';
import { ended, neverAsked, partOf } from './answer-of-view.js';
import type { Answer, Conversation, Turn } from './conversation.js';
import type { Conversations, ConversationsOptions } from './conversations.js';
import { runningTurns, withAnswer } from './turns.js';

/** How often an answer that runs is kept, so that a server that goes down takes little with it. */
const KEEP_MS = 1_000;
/** The server forgets an idempotency key after RETAIN_MS (10 min): after that, asking starts anew. */
const KEY_LIVES_MS = 300_000;
/** How often a tab that cannot ask yet says that it still means to: others must not give it up. */
const STILL_ASKING_MS = 60_000;

interface RunningAnswer {
  /** Undefined while the request is being put together. */
  stream: CastStream | undefined;
  /** Reads it no more. */
  leave: () => void;
}

/**
 * Reads every answer that runs, whichever conversation is shown and whichever tab has asked: after a
 * reload, and in a second tab, that is the same thing.
 */
export class RunningAnswers {
  readonly #running = new Map<string, RunningAnswer>();

  constructor(
    private readonly cast: Cast,
    private readonly conversations: Conversations,
    private readonly requestOf: NonNullable<ConversationsOptions['request']>,
  ) {}

  get(answerId: string): CastStream | undefined {
    return this.#running.get(answerId)?.stream;
  }

  /** Stops the model, when the server hears of it. */
  cancel(answerId: string): void {
    // How it ends stands in the answer.
    this.get(answerId)
      ?.cancel()
      .catch(() => undefined);
  }

  get streams(): Map<string, CastStream> {
    const streams = new Map<string, CastStream>();
    for (const [id, { stream }] of this.#running) if (stream !== undefined) streams.set(id, stream);
    return streams;
  }

  /** Reads what runs in these conversations, and nothing else. */
  follow(conversations: readonly Conversation[]): void {
    const ids = new Set<string>();
    for (const conversation of conversations) {
      for (const turn of runningTurns(conversation)) {
        const { id, isStopped } = turn.answer;
        ids.add(id);
        if (!this.#running.has(id)) this.#begin(conversation, turn);
        // In another tab, or before a reload.
        if (isStopped === true) this.cancel(id);
      }
    }
    for (const [id, { leave }] of this.#running) {
      if (ids.has(id)) continue;
      leave();
      this.#running.delete(id);
    }
  }

  #begin(conversation: Conversation, turn: Turn): void {
    const { id, generationId, askedAt } = turn.answer;
    if (generationId !== undefined) {
      this.#read(conversation.id, id, this.cast.join(generationId));
    } else if (Date.now() > askedAt + KEY_LIVES_MS) {
      void this.#change(conversation.id, id, neverAsked);
    } else void this.#ask(conversation, turn);
  }

  async #ask(conversation: Conversation, turn: Turn): Promise<void> {
    const { id } = turn.answer;
    let isLeft = false;
    this.#running.set(id, { stream: undefined, leave: () => (isLeft = true) });
    try {
      const request = await this.requestOf(conversation, turn);
      if (isLeft) return;
      this.#read(conversation.id, id, this.cast.chat(request));
      // It may have been stopped meanwhile.
      this.follow(this.conversations.list);
    } catch (error) {
      await this.#change(conversation.id, id, (kept) => notAsked(kept, error));
    }
  }

  #read(conversationId: string, id: string, stream: CastStream): void {
    let keptAt = Date.now();
    let step = stepOf(stream.view);
    const look = (): void => {
      const { view } = stream;
      if (view.result !== undefined || view.error !== undefined) {
        unsubscribe();
        void this.#end(conversationId, id, view);
      } else if (stepOf(view) !== step || Date.now() > keptAt + KEEP_MS) {
        keptAt = Date.now();
        step = stepOf(view);
        void this.#change(conversationId, id, (kept) => partOf(kept, view));
      }
    };
    const stillAsking = setInterval(() => {
      if (stream.generationId !== undefined) return clearInterval(stillAsking);
      void this.#change(conversationId, id, (kept) => ({ ...kept, askedAt: Date.now() }));
    }, STILL_ASKING_MS);
    const stop = stream.subscribe(look);
    const unsubscribe = (): void => {
      clearInterval(stillAsking);
      stop();
    };
    const leave = (): void => {
      unsubscribe();
      stream.leave();
    };
    this.#running.set(id, { stream, leave });
    this.conversations.changed();
    // What is refused at once, as too large, changes no more.
    if (stream.view.error !== undefined) look();
  }

  async #end(conversationId: string, id: string, view: View): Promise<void> {
    const { code } = view.error ?? {};
    // Closed here, or not reached in time, it may go on: after a reload, or once the server is there.
    const isThere = view.generationId !== undefined && code === 'unreachable';
    if (code === 'closed') return this.#readAnew(id);
    if (isThere) return this.#waitForServer(id);
    await this.#change(conversationId, id, (kept) => ended(kept, view));
    this.#running.delete(id);
    this.conversations.changed();
  }

  /** Reads it anew when there is a connection. */
  #waitForServer(id: string): void {
    const unsubscribe = this.cast.subscribe(({ state }) => {
      if (state !== 'up') return;
      unsubscribe();
      this.#readAnew(id);
    });
  }

  /** Another part of the app may have left the stream, which is one for all. */
  #readAnew(id: string): void {
    if (this.cast.connection.state === 'closed') return;
    this.#running.delete(id);
    this.follow(this.conversations.list);
  }

  /** Another tab may have kept already how it has ended: a tab that wakes late does not change that. */
  #change(conversationId: string, id: string, update: (answer: Answer) => Answer): Promise<void> {
    return this.conversations.change(conversationId, (now) =>
      withAnswer(now, id, (kept) => (kept.state === 'running' ? update(kept) : kept)),
    );
  }
}

/** A new step of a running answer is kept at once. */
const stepOf = ({ generationId, thinking, text }: View): string =>
  `${generationId} ${thinking !== ''} ${text !== ''}`;

/** The app could not put the request together. */
function notAsked(answer: Answer, error: unknown): Answer {
  return {
    ...answer,
    state: 'failed',
    failure: { code: 'invalid_request', message: asError(error).message },
  };
}
