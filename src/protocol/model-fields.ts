import { z } from 'zod';
import { userName } from './access.js';
import { ExactNumber, isBeyondExact } from './exact-json.js';
import { boundedList } from './bounded-list.js';
import { isShallow, TOO_DEEP } from './json-depth.js';

/** Most characters of a model name. */
const MODEL_NAME_CHARS = 256;
/** Most elements of the lists of one request. They are counted before one of them is looked at. */
export const MAX_STOPS = 64;
export const MAX_MESSAGES = 10_000;
export const MAX_IMAGES = 64;
export const MAX_TOOLS = 1_000;
export const MAX_TOOL_CALLS = 1_000;

const int32 = z.int32();

const INT64_BITS = 64;

/**
 * An integer of 64 bits: what OpenAI's API, vLLM and Ollama take for a seed. Beyond 2^53 it keeps its
 * digits where the request's JSON had them: it is an `ExactNumber` then, which is written as a number again.
 */
const int64 = z.custom<number>(
  (value) => Number.isSafeInteger(value) || (value instanceof ExactNumber && isInt64(value.text)),
  'an integer of 64 bits',
);
int64._zod.toJSONSchema = () => ({ type: 'integer' });

function isInt64(text: string): boolean {
  return /^-?\d{1,19}$/.test(text) && BigInt.asIntN(INT64_BITS, BigInt(text)) === BigInt(text);
}

/**
 * Sampling options a caller may set, under Ollama's own names. Load-time options (`num_ctx`,
 * `num_gpu`, …) are the operator's: another value than the loaded one reloads the model for everyone.
 */
export const samplingOptions = z
  .strictObject({
    temperature: z.number(),
    top_k: int32,
    top_p: z.number(),
    min_p: z.number(),
    typical_p: z.number(),
    repeat_last_n: int32,
    repeat_penalty: z.number(),
    presence_penalty: z.number(),
    frequency_penalty: z.number(),
    seed: int64,
    stop: boundedList(z.string().min(1).max(1000), MAX_STOPS),
    num_predict: int32,
  })
  .partial()
  .meta({
    id: 'SamplingOptions',
    description: "How the model chooses its words, under Ollama's own names.",
    examples: [{ temperature: 0.2, seed: 7, num_predict: 200 }],
  });

/**
 * Blanks may stand inside (`Qwen 3 8B (Q4_K_M)`). Control, zero-width and bidirectional characters may
 * not: they would make a line of the log look like another one. Written without `\p{…}`, which
 * Python's regular expressions do not have.
 */
const MODEL_NAME =
  // oxlint-disable-next-line no-control-regex -- they are what is refused
  /^(?! )[^\u0000-\u001f\u007f-\u00a0\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+$/;

export const modelName = z
  .string()
  .max(MODEL_NAME_CHARS)
  .regex(MODEL_NAME, 'a model name has no invisible characters, and begins with none')
  .refine((name) => !name.endsWith(' '), 'a model name does not end with a blank');

/** Base64 without a `data:` prefix. One linear scan: a regular expression over 20 MB may overflow. */
const base64 = z.string().refine((text) => {
  const body = text.replace(/={1,2}$/, '');
  return text.length > 0 && text.length % 4 === 0 && !/[^A-Za-z0-9+/]/.test(body);
}, 'must be base64 without a data: prefix');

/** What a generate and a chat request have in common. */
const common = {
  model: modelName.optional().describe("Default: the operator's model."),
  format: z
    .union([z.literal('json'), z.record(z.string(), z.unknown())])
    .refine(isShallow, TOO_DEEP)
    .optional()
    .describe('`"json"` or a JSON Schema that the answer must follow.'),
  strict: z
    .boolean()
    .optional()
    .describe(
      '`true`: a server that takes a schema for advice, as that of OpenAI does, keeps to it.',
    ),
  think: z
    .union([z.boolean(), z.enum(['low', 'medium', 'high', 'max'])])
    .optional()
    .describe('Asks a thinking model to think, or how hard.'),
  options: samplingOptions.optional(),
  onDisconnect: z
    .enum(['cancel', 'keep'])
    .optional()
    .describe(
      '`keep`: run to the end even if nobody reads. Otherwise it ends `ABANDON_AFTER_MS` later.',
    ),
  userId: userName
    .optional()
    .describe("For whom a backend with an API key asks: the generation is that user's."),
  audience: z
    .literal('user')
    .optional()
    .describe("The records go to every socket of the asking socket's user."),
};

/** Whether a JSON value has no number that a parser may have rounded. It is nested as deep as may be. */
function isExact(value: unknown): boolean {
  if (typeof value === 'number') return !isBeyondExact(value);
  if (typeof value !== 'object' || value === null) return true;
  return Object.values(value).every(isExact);
}

export const toolCall = z
  .object({
    id: z.string().optional(),
    function: z.object({
      index: z.number().optional(),
      name: z.string(),
      arguments: z
        .record(z.string(), z.unknown())
        .refine(isShallow, { error: TOO_DEEP, abort: true })
        .refine(isExact, 'a number beyond 2^53 keeps its digits only as a text here'),
    }),
  })
  .meta({
    id: 'ToolCall',
    description: 'A tool call as Ollama writes it: `arguments` is an object, never a string.',
    examples: [{ function: { name: 'weather', arguments: { city: 'Oslo' } } }],
  });

export const chatMessage = z
  .strictObject({
    role: z.enum(['system', 'user', 'assistant', 'tool']),
    content: z.string(),
    thinking: z.string().optional(),
    images: boundedList(base64, MAX_IMAGES).optional(),
    tool_calls: boundedList(toolCall, MAX_TOOL_CALLS).optional(),
    tool_name: z.string().optional(),
    tool_call_id: z.string().optional(),
  })
  .meta({
    id: 'ChatMessage',
    description: 'One message of a conversation.',
    examples: [{ role: 'user', content: 'Why is the sky blue?' }],
  });

const tool = z
  .looseObject({
    type: z.literal('function'),
    function: z.looseObject({ name: z.string().min(1) }),
  })
  .refine(isShallow, TOO_DEEP)
  .meta({
    id: 'Tool',
    description: 'A function that the model may ask for; passed to the model as it is.',
    examples: [
      {
        type: 'function',
        function: {
          name: 'weather',
          parameters: { type: 'object', properties: { city: { type: 'string' } } },
        },
      },
    ],
  });

const toolChoice = z
  .union([
    z.enum(['auto', 'none', 'required']),
    z.strictObject({
      type: z.literal('function'),
      function: z.strictObject({ name: z.string().min(1) }),
    }),
  ])
  .describe('Whether the model may or must call a tool, or which. Not every server can be told.');

/** What is asked of a model. An empty prompt loads it. */
export const generateFields = z.strictObject({
  prompt: z.string(),
  system: z.string().optional(),
  suffix: z
    .string()
    .optional()
    .describe('Text after the answer, for models that can fill in the middle.'),
  images: boundedList(base64, MAX_IMAGES).optional(),
  ...common,
});

/** Empty messages load the model. */
export const chatFields = z.strictObject({
  messages: boundedList(chatMessage, MAX_MESSAGES),
  tools: boundedList(tool, MAX_TOOLS).optional(),
  tool_choice: toolChoice.optional(),
  parallel_tool_calls: z
    .boolean()
    .optional()
    .describe('`false`: at most one call in an answer. Not every server of models can do that.'),
  ...common,
});

export type GenerateFields = z.infer<typeof generateFields>;
export type ChatFields = z.infer<typeof chatFields>;
export type ToolCall = z.infer<typeof toolCall>;
