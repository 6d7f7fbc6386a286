import {
  type Answer,
  type Conversation,
  newConversation,
  shownTurns,
  type Turn,
} from 'llm-cast-client/conversation';
import { type KeptConversation, upgraded } from './upgrade.js';

/** What a file of exported conversations says that it is. */
const FORMAT = 'llm-cast conversations';
/** Of the files that are written, and the latest that can be read. */
const VERSION = 2;
/** Largest file that is read, in bytes. */
export const MAX_IMPORT_BYTES = 200 * 1024 * 1024;

const BASE64 = /^[\w+/]*=*$/;

/** Conversations as a file holds them. */
interface Exported {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION;
  readonly conversations: readonly KeptConversation[];
  /** In base64, by id. */
  readonly images: Readonly<Record<string, string>>;
}

/** All versions of all turns, with the images, as JSON. */
export function asJson(
  conversations: readonly Conversation[],
  images: ReadonlyMap<string, string>,
): string {
  const exported: Exported = {
    format: FORMAT,
    version: VERSION,
    conversations,
    images: Object.fromEntries(images),
  };
  return JSON.stringify(exported, null, 1);
}

/** The versions that are shown, to be read by people. */
export function asMarkdown(conversation: Conversation): string {
  const parts = [`# ${conversation.title}`];
  if (conversation.system !== '') parts.push(`_System prompt:_ ${conversation.system}`);
  for (const { question, images = [], answer } of shownTurns(conversation)) {
    parts.push('## Question', question, ...images.map(() => '_(an image)_'));
    parts.push(
      `## Answer${answer.model === undefined ? '' : ` (${answer.model})`}`,
      wordsOf(answer),
    );
  }
  return `${parts.join('\n\n')}\n`;
}

function wordsOf({ text, refusal = '', failure }: Answer): string {
  return [text, refusal, failure === undefined ? '' : `_${failure.message}_`]
    .filter((part) => part !== '')
    .join('\n\n');
}

/**
 * Reads a file that `asJson` has made.
 * @throws Error with a sentence for people when it is something else
 */
export function fromJson(json: string): {
  conversations: Conversation[];
  images: Map<string, string>;
} {
  const { format, version, conversations, images } = parsed(json);
  if (format === FORMAT && Number(version) > VERSION) {
    throw new Error(
      'This file is of a newer llm-cast than this page: update the server to read it.',
    );
  }
  if (format !== FORMAT || !Array.isArray(conversations) || !conversations.every(isConversation)) {
    throw new Error('This file has no conversations of llm-cast.');
  }
  return {
    conversations: conversations.map((kept) => atRest(upgraded(kept))),
    images: new Map(
      Object.entries<unknown>(images ?? {}).filter(
        (entry): entry is [string, string] => typeof entry[1] === 'string' && BASE64.test(entry[1]),
      ),
    ),
  };
}

/** The same conversation as one of its own: what is here under its id stays. */
export function asCopy(conversation: Conversation): Conversation {
  return { ...conversation, id: newConversation().id };
}

function parsed(json: string): Partial<Exported> {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

function isConversation(value: unknown): value is KeptConversation {
  const { id, title, system, updatedAt, turns, ...rest } = (value ?? {}) as Partial<Conversation>;
  const isHeaded = [id, title, system].every((field) => typeof field === 'string') && id !== '';
  if (!isHeaded || typeof updatedAt !== 'number' || !Array.isArray(turns)) return false;
  const { model = '', settings = {}, shown = {} } = rest;
  const areObjects = [settings, shown].every((field) => typeof field === 'object' && field);
  if (typeof model !== 'string' || !areObjects) return false;
  // Two turns of one id would follow each other for ever.
  return turns.every(isTurn) && new Set(turns.map(({ id }) => id)).size === turns.length;
}

function isTurn(value: unknown): value is Turn {
  const { id, question, answer } = (value ?? {}) as Partial<Turn>;
  const { id: answerId, model = '', text, thinking, state } = (answer ?? {}) as Partial<Answer>;
  // The empty id is that of the beginning.
  if (id === '') return false;
  return [id, question, answerId, model, text, thinking, state].every(
    (field) => typeof field === 'string',
  );
}

/** An answer that ran when it was exported is over here. */
function atRest(conversation: Conversation): Conversation {
  const turns = conversation.turns.map((turn) =>
    turn.answer.state === 'running'
      ? { ...turn, answer: { ...turn.answer, state: 'cancelled' as const, reason: 'client' } }
      : turn,
  );
  const { settings = {}, shown = {} } = conversation as Partial<Conversation>;
  return { ...conversation, settings, shown, turns };
}
