import type { Answer, Conversation } from 'llm-cast-client/conversation';

/** What version 1 of the page kept: one list of turns, without versions. */
interface ConversationOfVersion1 {
  readonly version?: undefined;
  readonly id: string;
  readonly title: string;
  readonly system: string;
  readonly model: string | undefined;
  readonly updatedAt: number;
  readonly turns: readonly { id: string; question: string; answer: Answer }[];
}

/** A conversation as any version of the page has kept it. */
export type KeptConversation = Conversation | ConversationOfVersion1;

/**
 * Brings a conversation into today's shape. It is called at each read, and not once for the whole
 * database: one damaged value would end such a transaction, and with it the access to all others.
 */
export function upgraded(kept: KeptConversation): Conversation {
  if (kept.version === 2) return kept;
  const turns = kept.turns.map((turn, at) => ({ ...turn, parent: kept.turns[at - 1]?.id ?? '' }));
  return { ...kept, version: 2, settings: {}, turns, shown: {} };
}
