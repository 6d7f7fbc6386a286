import type { ChatMessage, ChatRequest } from '../protocol.js';
import type { Conversation, Turn } from './conversation.js';
import { turnsBefore } from './turns.js';

/** What is asked of the model for this turn: the same each time, as its idempotency key demands. */
export function requestOf(conversation: Conversation, turn: Turn): ChatRequest {
  const { system } = conversation;
  const messages = turnsBefore(conversation, turn).flatMap((before) => [
    questionOf(before),
    ...answered(before.answer.text),
  ]);
  messages.push(questionOf(turn), ...answered(turn.answer.begun?.text ?? ''));
  if (system !== '') messages.unshift({ role: 'system', content: system });
  const { model, id, settings: { think, ...options } = {} } = turn.answer;
  return {
    messages,
    model,
    ...(think !== undefined && { think }),
    ...(Object.keys(options).length > 0 && { options }),
    idempotencyKey: id,
  };
}

/** A last message of the model's own is what it goes on with. */
function answered(text: string): ChatMessage[] {
  return text === '' ? [] : [{ role: 'assistant', content: text }];
}

function questionOf({ question, images = [] }: Turn): ChatMessage {
  return {
    role: 'user',
    content: question,
    ...(images.length > 0 && { images: [...images] }),
  };
}
