import { z } from 'zod';
import { boundedList } from '../../protocol/bounded-list.js';
import {
  chatFields,
  chatMessage,
  generateFields,
  MAX_MESSAGES,
  samplingOptions,
} from '../../protocol/model-fields.js';
import { maybe } from '../maybe.js';

/** Options under Ollama's names. What is no option for callers here stays as it is: it is ignored. */
const options = z
  .looseObject({
    ...Object.fromEntries(
      Object.entries(samplingOptions.shape).map(([name, schema]) => [name, schema.nullish()]),
    ),
    stop: z
      .preprocess((stop) => (typeof stop === 'string' ? [stop] : stop), samplingOptions.shape.stop)
      .nullish(),
  })
  .transform((given) => {
    const known = Object.entries(given).filter(
      ([name, value]) => Object.hasOwn(samplingOptions.shape, name) && value != null,
    );
    const ignored = Object.keys(given).filter(
      (name) => !Object.hasOwn(samplingOptions.shape, name),
    );
    return { known: samplingOptions.parse(Object.fromEntries(known)), ignored };
  });

const common = {
  model: maybe(chatFields.shape.model),
  // Some clients send an empty text for "none".
  format: z.preprocess(
    (format) => (format === '' ? undefined : format),
    maybe(chatFields.shape.format),
  ),
  think: maybe(chatFields.shape.think),
  options: maybe(options),
  stream: maybe(z.boolean()),
  keep_alive: z.unknown().optional(),
  truncate: z.unknown().optional(),
  shift: z.unknown().optional(),
  logprobs: z.unknown().optional(),
  top_logprobs: z.unknown().optional(),
};

const message = z.object({
  role: chatMessage.shape.role,
  content: maybe(z.string()).transform((content) => content ?? ''),
  thinking: maybe(chatMessage.shape.thinking),
  images: maybe(chatMessage.shape.images),
  tool_calls: maybe(chatMessage.shape.tool_calls),
  tool_name: maybe(chatMessage.shape.tool_name),
  tool_call_id: maybe(chatMessage.shape.tool_call_id),
  /** Of a message of `useChat`, which is in the wrong place here. */
  parts: z.unknown().optional(),
});

/** The body of `POST /api/chat`; fields that nobody here knows are left out. */
export const chatBody = z.object({
  ...common,
  messages: maybe(boundedList(message, MAX_MESSAGES)),
  tools: maybe(chatFields.shape.tools),
});
export type ChatBody = z.infer<typeof chatBody>;

/** The body of `POST /api/generate`. */
export const generateBody = z.object({
  ...common,
  prompt: maybe(z.string()),
  system: maybe(generateFields.shape.system),
  suffix: maybe(generateFields.shape.suffix),
  images: maybe(generateFields.shape.images),
  raw: z.unknown().optional(),
  template: z.unknown().optional(),
  context: z.unknown().optional(),
});
export type GenerateBody = z.infer<typeof generateBody>;

/** The body of `POST /api/show`; `name` is the older word. */
export const showBody = z.object({
  model: maybe(z.string()),
  name: maybe(z.string()),
});
export type ShowBody = z.infer<typeof showBody>;
