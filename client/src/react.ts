'use client';

export { useCast } from './react/use-cast.js';
export { useConversation, type UseConversationOptions } from './react/use-conversation.js';
