import type { ChatMessage, ChatRequest } from 'llm-cast-client';
import type { Conversation, Turn } from './conversation';
import { turnsBefore } from './turns';

/** What is asked of the model for this turn: the same each time, as its idempotency key demands. */
export function requestOf(conversation: Conversation, turn: Turn): ChatRequest {
  const { system } = conversation;
  const messages: ChatMessage[] = turnsBefore(conversation, turn).flatMap(
    ({ question, answer }) => [
      { role: 'user', content: question },
      ...(answer.text === '' ? [] : [{ role: 'assistant' as const, content: answer.text }]),
    ],
  );
  messages.push({ role: 'user', content: turn.question });
  if (system !== '') messages.unshift({ role: 'system', content: system });
  const { model, id } = turn.answer;
  return { messages, model, idempotencyKey: id };
}
