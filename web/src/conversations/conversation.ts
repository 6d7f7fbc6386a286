import type { ChatMessage, ChatRequest, ClientErrorCode, ErrorCode } from 'llm-cast-client';

/** Why an answer is missing or not whole. */
export interface Failure {
  code: ErrorCode | ClientErrorCode;
  message: string;
}

/** What the server measured; null where it does not say. */
export interface Measured {
  tokens: number | null;
  tokensPerSecond: number | null;
  firstTokenMs: number | null;
}

/** An answer as the browser keeps it. While it runs, what is shown comes from the stream. */
export interface Answer {
  /** Its idempotency key too: whichever tab asks for it, and however often, it is one answer. */
  readonly id: string;
  /** In milliseconds since 1970. */
  readonly askedAt: number;
  /** Asked for by name; undefined = the server's choice. */
  readonly model: string | undefined;
  /** Once the server has accepted it. */
  readonly generationId?: string;
  readonly state: 'running' | 'completed' | 'cancelled' | 'failed';
  readonly text: string;
  readonly thinking: string;
  /** The finish reason, or why it was cancelled. */
  readonly reason?: string;
  readonly failure?: Failure;
  readonly measured?: Measured;
}

/** A question and its answer. */
export interface Turn {
  readonly id: string;
  readonly question: string;
  readonly answer: Answer;
}

/** Questions and answers under one title. Never changed in place. */
export interface Conversation {
  readonly id: string;
  readonly title: string;
  /** The system prompt; empty = none. */
  readonly system: string;
  /** For the next question; undefined = the server's choice. */
  readonly model: string | undefined;
  /** In milliseconds since 1970. */
  readonly updatedAt: number;
  readonly turns: readonly Turn[];
}

const TITLE_CHARS = 60;

/** One that is begun. It is kept from its first question on. */
export function newConversation(model: string | undefined): Conversation {
  return { id: newId(), title: '', system: '', model, updatedAt: 0, turns: [] };
}

/** Not `randomUUID`: plain HTTP pages have none. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The first line of the first question, shortened at a word. */
export function titleOf(question: string): string {
  const [line = ''] = question.trim().split('\n');
  if (line.length <= TITLE_CHARS) return line;
  const cut = line.slice(0, TITLE_CHARS);
  return `${cut.slice(0, cut.lastIndexOf(' ') + 1 || TITLE_CHARS).trimEnd()}…`;
}

/** A turn that is about to be asked. */
export function newTurn(question: string, model: string | undefined): Turn {
  return { id: newId(), question, answer: newAnswer(model) };
}

export function newAnswer(model: string | undefined): Answer {
  return { id: newId(), askedAt: Date.now(), model, state: 'running', text: '', thinking: '' };
}

/** Whether an answer is on its way. Only the last one can be. */
export function isRunning({ turns }: Conversation): boolean {
  return turns.at(-1)?.answer.state === 'running';
}

/** Replaces one answer, wherever it stands; the conversation itself where it does not. */
export function withAnswer(
  conversation: Conversation,
  id: string,
  change: (answer: Answer) => Answer,
): Conversation {
  const turns = conversation.turns.map((turn) =>
    turn.answer.id === id ? { ...turn, answer: change(turn.answer) } : turn,
  );
  return { ...conversation, turns };
}

/** What is asked of the model for the last turn: the same each time, as its key demands. */
export function requestOf({ system, turns }: Conversation): ChatRequest {
  const messages: ChatMessage[] = turns.flatMap(({ question, answer }) => [
    { role: 'user', content: question },
    ...(answer.text === '' || answer.state === 'running'
      ? []
      : [{ role: 'assistant' as const, content: answer.text }]),
  ]);
  if (system !== '') messages.unshift({ role: 'system', content: system });
  const { model, id } = turns.at(-1)!.answer;
  return { messages, model, idempotencyKey: id };
}
