import { z } from 'zod';
import { boundedList } from '../../protocol/bounded-list.js';
import { boundedRecord } from '../../protocol/bounded-record.js';
import { MAX_MESSAGES, MAX_TOOLS } from '../../protocol/model-fields.js';
import { maybe } from '../maybe.js';

/** Most parts of one item. */
const MAX_PARTS = 1_000;
/** OpenAI's own bounds of `metadata`. */
const MAX_METADATA = 16;
const MAX_METADATA_CHARS = 512;

const part = z.looseObject({
  type: z.string(),
  text: maybe(z.string()),
  refusal: maybe(z.string()),
  image_url: maybe(z.string()),
});
export type InputPart = z.infer<typeof part>;
const parts = boundedList(part, MAX_PARTS);

/** One item of the input; which fields it has depends on its type, a message by default. */
const item = z.looseObject({
  type: maybe(z.string()),
  /** Of an `item_reference`. */
  id: maybe(z.string()),
  role: maybe(z.enum(['system', 'developer', 'user', 'assistant'])),
  content: maybe(z.union([z.string(), parts])),
  call_id: maybe(z.string()),
  name: maybe(z.string()),
  arguments: maybe(z.string()),
  output: maybe(z.union([z.string(), parts])),
  summary: maybe(parts),
});
export type InputItem = z.infer<typeof item>;

/** The body of `POST /v1/responses`, as far as it can be honoured. */
export const responseBody = z.looseObject({
  model: maybe(z.string()),
  input: z.union([z.string(), boundedList(item, MAX_MESSAGES)]),
  instructions: maybe(z.string()),
  previous_response_id: maybe(z.string()),
  stream: maybe(z.boolean()),
  background: maybe(z.boolean()),
  store: maybe(z.boolean()),
  tools: maybe(boundedList(z.looseObject({ type: z.string() }), MAX_TOOLS)),
  tool_choice: maybe(z.unknown()),
  parallel_tool_calls: maybe(z.boolean()),
  text: maybe(
    z.looseObject({
      format: maybe(
        z.looseObject({
          type: z.string(),
          schema: maybe(z.record(z.string(), z.unknown())),
          strict: maybe(z.boolean()),
        }),
      ),
    }),
  ),
  reasoning: maybe(z.looseObject({ effort: maybe(z.string()) })),
  max_output_tokens: maybe(z.number()),
  temperature: maybe(z.number()),
  top_p: maybe(z.number()),
  metadata: maybe(boundedRecord(z.string().max(MAX_METADATA_CHARS), MAX_METADATA)),
  user: maybe(z.string()),
  safety_identifier: maybe(z.string()),
});
export type ResponseBody = z.infer<typeof responseBody>;
