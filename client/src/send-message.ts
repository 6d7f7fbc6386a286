import { randomId } from './platform.js';
import type { ChatRequest, SendMessageRequest } from './protocol.js';

/** The chat that a `send_message` of the same words is, for every tab of its user. */
export function chatOf({
  user_content,
  system_content,
  temperature,
  idempotencyKey = randomId(),
}: Omit<SendMessageRequest, 'user_id'>): ChatRequest {
  const user = { role: 'user' as const, content: user_content };
  return {
    messages:
      system_content === undefined
        ? [user]
        : [{ role: 'system' as const, content: system_content }, user],
    options: { temperature },
    audience: 'user',
    idempotencyKey,
  };
}
