import type { Conversation } from './conversation.js';

/** What has changed in a conversation; undefined: it was removed. */
export type ConversationChange = (id: string, conversation: Conversation | undefined) => void;

/** Keeps conversations: in the browser, on a phone, on a server. A method that rejects kept nothing. */
export interface ConversationStorage {
  /** All that can be read, and how many cannot. */
  all(): Promise<{ conversations: Conversation[]; unreadable?: number }>;
  put(conversation: Conversation): Promise<void>;
  remove(id: string): Promise<void>;
  /**
   * Reads, changes and writes, so that tabs or devices do not undo each other's changes. Without it,
   * what this page has is changed and `put`.
   * @returns what is kept now; undefined where it was removed
   */
  change?(
    id: string,
    change: (conversation: Conversation) => Conversation,
  ): Promise<Conversation | undefined>;
  /** Calls back with what another tab or device has changed. */
  onChange?(changed: ConversationChange): void;
}

/** Keeps nothing: what this page holds in memory is all. */
export const NO_STORAGE: ConversationStorage = {
  all: () => Promise.resolve({ conversations: [] }),
  put: () => Promise.resolve(),
  remove: () => Promise.resolve(),
};
