import type { ClientErrorCode } from '../cast-error.js';
import { randomId } from '../platform.js';
import type { ErrorCode, ToolCall } from '../protocol.js';

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
  /** Tokens of the question and everything before it. */
  promptTokens?: number | null;
}

/** How the model is to answer. A missing setting is the model's choice. */
export interface Settings {
  /** 0 = always the likeliest word; up to 2. */
  readonly temperature?: number;
  /** Most tokens of an answer. */
  readonly num_predict?: number;
  /** The same seed, question and model give the same answer. */
  readonly seed?: number;
  /** Whether a model that can think does so. */
  readonly think?: boolean;
}

/** An answer as it is kept. While it runs, the stream has more of it. */
export interface Answer {
  /** Also its idempotency key: every tab and every attempt that asks for it gets the one answer. */
  readonly id: string;
  /** In milliseconds since 1970; until the server has the question, when a tab last meant to ask it. */
  readonly askedAt: number;
  /** Undefined = the server's choice. */
  readonly model: string | undefined;
  readonly settings?: Settings;
  /** Known once the server has accepted the request. */
  readonly generationId?: string;
  readonly state: 'running' | 'completed' | 'cancelled' | 'failed';
  /** Somebody has stopped it. Until the server hears of that, it runs. */
  readonly isStopped?: boolean;
  readonly text: string;
  readonly thinking: string;
  /** When the model began to think, in milliseconds since 1970. */
  readonly thinkingFrom?: number;
  /** How long it thought before it wrote, in milliseconds. */
  readonly thinkingMs?: number;
  /** What the model says where it declines. */
  readonly refusal?: string;
  /** Tools that the model wants to be called. */
  readonly toolCalls?: readonly ToolCall[];
  /** What was there when the model was asked to go on with it. */
  readonly begun?: { readonly text: string; readonly thinking: string };
  /** The finish reason, or why it was cancelled. */
  readonly reason?: string;
  readonly failure?: Failure;
  readonly measured?: Measured;
}

/** A question and its answer. The versions of a turn are the turns with the same parent. */
export interface Turn {
  readonly id: string;
  /** Id of the turn before it; empty = it begins the conversation. */
  readonly parent: string;
  readonly question: string;
  /** As base64, or ids of images that the app keeps elsewhere and its `request` puts in. */
  readonly images?: readonly string[];
  readonly answer: Answer;
}

/** A tree of turns under one title. It is never changed in place. */
export interface Conversation {
  /** Of this shape. */
  readonly version: 2;
  readonly id: string;
  readonly title: string;
  /** The system prompt; empty = none. */
  readonly system: string;
  /** For the next question; undefined = the server's choice. */
  readonly model: string | undefined;
  /** For the next question. */
  readonly settings: Settings;
  /** In milliseconds since 1970. */
  readonly updatedAt: number;
  /** All versions, in the order in which they were asked. */
  readonly turns: readonly Turn[];
  /** By the parent's id: the version that is shown. Where nothing stands, it is the latest. */
  readonly shown: Readonly<Record<string, string>>;
}

const TITLE_CHARS = 60;

/** What a conversation asks with, apart from its questions. */
export type Setup = Pick<Conversation, 'system' | 'model' | 'settings'>;

/** A conversation without a question. It is kept from its first question on. */
export function newConversation(id = randomId(), setup: Partial<Setup> = {}): Conversation {
  const { system = '', model, settings = {} } = setup;
  return { version: 2, id, title: '', system, model, settings, updatedAt: 0, turns: [], shown: {} };
}

/** The first line of the first question, shortened at a word. */
export function titleOf(question: string): string {
  const [line = ''] = question.trim().split('\n');
  if (line.length <= TITLE_CHARS) return line;
  // An emoji has two halves.
  const cut = line.slice(0, TITLE_CHARS).replace(/[\uD800-\uDBFF]$/, '');
  return `${cut.slice(0, cut.lastIndexOf(' ') + 1 || TITLE_CHARS).trimEnd()}…`;
}

/** What was left unfinished, about to go on. */
export function continued({ model, settings = {}, text, thinking }: Answer): Answer {
  return { ...newAnswer({ model, settings }), text, thinking, begun: { text, thinking } };
}

export function newAnswer({ model, settings }: Pick<Setup, 'model' | 'settings'>): Answer {
  return {
    id: randomId(),
    askedAt: Date.now(),
    model,
    settings,
    state: 'running',
    text: '',
    thinking: '',
  };
}
