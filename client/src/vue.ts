export { useCast } from './vue/use-cast.js';
export { useConversation, type UseConversationOptions } from './vue/use-conversation.js';
