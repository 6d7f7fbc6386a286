import type { Cast } from '../cast.js';
import { Conversations, type ConversationsOptions } from './conversations.js';

const known = new WeakMap<Cast, Map<unknown, Conversations>>();

/** The conversations of a connection and a storage: for every component the same ones. */
export function conversationsOf(cast: Cast, options: ConversationsOptions = {}): Conversations {
  const ofCast = known.get(cast) ?? new Map<unknown, Conversations>();
  known.set(cast, ofCast);
  const conversations = ofCast.get(options.storage) ?? new Conversations(cast, options);
  ofCast.set(options.storage, conversations);
  return conversations;
}
