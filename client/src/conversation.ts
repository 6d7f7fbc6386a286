// What `useConversation` of Vue and React stands on, for other frameworks, and for lists of conversations.
export { partOf } from './conversation/answer-of-view.js';
export { browserStorage } from './conversation/browser-storage.js';
export type {
  Answer,
  Conversation,
  Failure,
  Measured,
  Settings,
  Setup,
  Turn,
} from './conversation/conversation.js';
export { newConversation, titleOf } from './conversation/conversation.js';
export type { Conversations, ConversationsOptions } from './conversation/conversations.js';
export type { AssistantMessage, Message, UserMessage, Versions } from './conversation/messages.js';
export { conversationsOf } from './conversation/of-cast.js';
export {
  type ConversationStatus,
  type ConversationView,
  OpenConversation,
} from './conversation/open-conversation.js';
export { requestOf } from './conversation/request.js';
export type { ConversationChange, ConversationStorage } from './conversation/storage.js';
export { shownTurns, turnsBefore, versionsOf, withTurn } from './conversation/turns.js';
