import { z } from 'zod';
import { boundedList } from '../../protocol/bounded-list.js';
import { MAX_MESSAGES, MAX_STOPS, MAX_TOOL_CALLS, MAX_TOOLS } from '../../protocol/model-fields.js';
import { maybe } from '../maybe.js';

/** Most parts of one message. */
const MAX_PARTS = 1_000;

const part = z.looseObject({
  type: z.string(),
  text: maybe(z.string()),
  refusal: maybe(z.string()),
  image_url: maybe(z.union([z.string(), z.looseObject({ url: z.string() })])),
});
export type ContentPart = z.infer<typeof part>;

const message = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: maybe(z.union([z.string(), boundedList(part, MAX_PARTS)])),
  refusal: maybe(z.string()),
  reasoning_content: maybe(z.string()),
  tool_call_id: maybe(z.string()),
  tool_calls: maybe(
    boundedList(
      z.looseObject({
        id: maybe(z.string()),
        function: z.looseObject({ name: z.string(), arguments: maybe(z.string()) }),
      }),
      MAX_TOOL_CALLS,
    ),
  ),
});
export type Message = z.infer<typeof message>;

/**
 * The body of `POST /v1/chat/completions`, as far as it can be honoured. What else an SDK sends is
 * looked at in `not-served.ts`: it is refused by name, or ignored.
 */
export const chatBody = z.looseObject({
  model: maybe(z.string()),
  messages: boundedList(message, MAX_MESSAGES).min(1),
  stream: maybe(z.boolean()),
  stream_options: maybe(z.looseObject({ include_usage: maybe(z.boolean()) })),
  tools: maybe(boundedList(z.unknown(), MAX_TOOLS)),
  tool_choice: maybe(z.unknown()),
  parallel_tool_calls: maybe(z.boolean()),
  response_format: maybe(
    z.looseObject({
      type: z.string(),
      json_schema: maybe(
        z.looseObject({
          schema: maybe(z.record(z.string(), z.unknown())),
          strict: maybe(z.boolean()),
        }),
      ),
    }),
  ),
  max_tokens: maybe(z.number()),
  max_completion_tokens: maybe(z.number()),
  temperature: maybe(z.number()),
  top_p: maybe(z.number()),
  top_k: maybe(z.number()),
  min_p: maybe(z.number()),
  seed: maybe(z.unknown()),
  stop: maybe(z.union([z.string(), boundedList(z.string(), MAX_STOPS)])),
  presence_penalty: maybe(z.number()),
  frequency_penalty: maybe(z.number()),
  reasoning_effort: maybe(z.string()),
  user: maybe(z.string()),
  safety_identifier: maybe(z.string()),
});
export type ChatBody = z.infer<typeof chatBody>;
