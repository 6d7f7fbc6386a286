import type { Generation } from '../../generations/generation.js';
import { completionId, finishReason, toolCall, usageOf } from './chat-chunks.js';

/** A completed generation as the answer to a chat completion that was not streamed. */
export function chatAnswer(generation: Generation): object {
  const { log, usage, finishReason: reason = 'unknown' } = generation;
  const calls = log.toolCalls().map((call, index) => toolCall(call, generation, index));
  const text = log.all('text');
  const thinking = log.all('thinking');
  return {
    id: completionId(generation),
    object: 'chat.completion',
    created: Math.floor(generation.createdAt / 1000),
    model: generation.model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: text === '' && calls.length > 0 ? null : text,
          refusal: log.all('refusal') || null,
          ...(thinking !== '' && { reasoning_content: thinking }),
          ...(calls.length > 0 && { tool_calls: calls }),
        },
        logprobs: null,
        finish_reason: finishReason(reason),
      },
    ],
    ...(usage !== null && { usage: usageOf(usage) }),
  };
}
