/**
 * The wire contract: every shape that enters or leaves llm-cast, stated once.
 * Requests are strict (an unknown field is refused); clients must ignore unknown fields in records.
 */
import { z } from 'zod';

// --- bounds that are part of the contract --------------------------------------------------------

/** Most characters of a model name. */
const MODEL_NAME_CHARS = 256;
/** Most stop sequences of one request. */
const STOP_SEQUENCES = 64;
/** Deepest nesting of a JSON value that is passed on as it is. */
const MAX_DEPTH = 64;
/** Most characters of an idempotency key. */
const IDEMPOTENCY_KEY_CHARS = 255;

// --- requests ------------------------------------------------------------------------------------

const int32 = z.int32();

/** Whether a JSON value is nested no deeper than is passed on. Iterative: a deep one is the point. */
export function isShallow(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return false;
    level = level.flatMap((one) =>
      typeof one === 'object' && one !== null ? Object.values(one) : [],
    );
  }
  return true;
}
const TOO_DEEP = `nested deeper than ${MAX_DEPTH} levels`;

/** For the examples: every exported shape has some, and a test holds them against their schema. */
const EXAMPLE_ID = 'k3JvX0d1Qm6c7Tq2Zr9s_A';
const EXAMPLE_TIME = '2026-01-02T03:04:05.678Z';

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
    seed: int32,
    stop: z.array(z.string().min(1).max(1000)).max(STOP_SEQUENCES),
    num_predict: int32,
  })
  .partial()
  .meta({
    id: 'SamplingOptions',
    description: "How the model chooses its words, under Ollama's own names.",
    examples: [{ temperature: 0.2, seed: 7, num_predict: 200 }],
  });

const modelName = z
  .string()
  .regex(/^[^\s\p{Cc}]+$/u, 'a model name has no blanks')
  .max(MODEL_NAME_CHARS);

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
  audience: z
    .literal('user')
    .optional()
    .describe("The records go to every socket of the asking socket's user."),
};

export const idempotencyKey = z
  .string()
  .min(1)
  .max(IDEMPOTENCY_KEY_CHARS)
  .meta({
    id: 'IdempotencyKey',
    description:
      'The same key with the same request starts nothing anew. Over REST it is `Idempotency-Key`.',
    examples: ['4f9c2a54-question-17'],
  });

export const toolCall = z
  .object({
    id: z.string().optional(),
    function: z.object({
      index: z.number().optional(),
      name: z.string(),
      arguments: z.record(z.string(), z.unknown()).refine(isShallow, TOO_DEEP),
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
    images: z.array(base64).optional(),
    tool_calls: z.array(toolCall).optional(),
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

/** What is asked of a model. An empty prompt loads it. */
const generateFields = z.strictObject({
  prompt: z.string(),
  system: z.string().optional(),
  suffix: z
    .string()
    .optional()
    .describe('Text after the answer, for models that can fill in the middle.'),
  images: z.array(base64).optional(),
  ...common,
});

/** Empty messages load the model. */
const chatFields = z.strictObject({
  messages: z.array(chatMessage),
  tools: z.array(tool).optional(),
  ...common,
});

const promptExample = { model: 'llama3.2', prompt: 'Why is the sky blue?' };
const chatExample = {
  messages: [
    { role: 'system', content: 'Answer in one sentence.' },
    { role: 'user', content: 'Why is the sky blue?' },
  ],
  options: { temperature: 0.2 },
};
const EXAMPLE_CLIENT = 'Xq8Jm2LwT5c0aRf3AAAB';

export const generateRequest = generateFields
  .extend({ idempotencyKey: idempotencyKey.optional() })
  .meta({
    id: 'GenerateRequest',
    description: 'What the model is to go on from. An empty prompt loads the model.',
    examples: [promptExample],
  });
export const chatRequest = chatFields.extend({ idempotencyKey: idempotencyKey.optional() }).meta({
  id: 'ChatRequest',
  description: 'The conversation so far. Empty messages load the model.',
  examples: [{ ...chatExample, idempotencyKey: '4f9c2a54-question-17' }],
});

const clientId = z
  .string()
  .min(1)
  .max(64)
  .optional()
  .describe(
    'Socket.IO id of the connected client (namespace `/events`) that is to receive the records. ' +
      'May be left out with `onDisconnect: "keep"`, by callers that read over SSE or GET.',
  );
const hasReader = (body: { clientId?: string | undefined; onDisconnect?: string | undefined }) =>
  body.clientId !== undefined || body.onDisconnect === 'keep';
const needsReader = {
  path: ['clientId'],
  message: 'required, unless onDisconnect is "keep"',
};

export const generateBody = generateFields
  .extend({ clientId })
  .refine(hasReader, needsReader)
  .meta({
    id: 'GenerateBody',
    description: 'What the model is to go on from, and who receives it. An empty prompt loads it.',
    examples: [
      { clientId: EXAMPLE_CLIENT, ...promptExample },
      { prompt: 'Why is the sky blue?', onDisconnect: 'keep' },
    ],
  });
export const chatBody = chatFields
  .extend({ clientId })
  .refine(hasReader, needsReader)
  .meta({
    id: 'ChatBody',
    description: 'The conversation so far, and who receives its next message.',
    examples: [{ clientId: EXAMPLE_CLIENT, ...chatExample }],
  });

export const pullBody = z
  .strictObject({ clientId: z.string().min(1).max(64), model: modelName })
  .meta({
    id: 'PullBody',
    description: 'Which model Ollama is to pull, and who sees the progress.',
    examples: [{ clientId: EXAMPLE_CLIENT, model: 'llama3.2' }],
  });
export const sendMessageRequest = z
  .strictObject({
    user_id: z.string().min(1),
    user_content: z.string(),
    system_content: z.string().optional(),
    temperature: z.number().optional(),
    idempotencyKey: idempotencyKey.optional(),
  })
  .meta({
    id: 'SendMessageRequest',
    description: 'A chat whose records go to every socket of that user, who must be who asks.',
    examples: [
      {
        user_id: 'ada',
        user_content: 'Why is the sky blue?',
        system_content: 'Answer in one sentence.',
        temperature: 0.2,
      },
    ],
  });

export const generationId = z
  .string()
  .regex(/^[\w-]{22}$/, 'not a generation id')
  .meta({
    id: 'GenerationId',
    description: 'Names a generation, unguessably (128 random bits, base64url).',
    examples: [EXAMPLE_ID],
  });
export const lastEventId = z
  .int()
  .min(0)
  .meta({
    id: 'LastEventId',
    description: 'The seq of the last record that the caller has; the stream goes on behind it.',
    examples: [17],
  });
export const generationRef = z.strictObject({ generationId }).meta({
  id: 'GenerationRef',
  description: 'Which generation is meant.',
  examples: [{ generationId: EXAMPLE_ID }],
});
export const joinRequest = z.strictObject({ generationId, after: z.int().min(0) }).meta({
  id: 'JoinRequest',
  description: 'Asks for the records with seq > `after` (0 = all), then those to come.',
  examples: [{ generationId: EXAMPLE_ID, after: 17 }],
});

export type GenerateFields = z.infer<typeof generateFields>;
export type ChatFields = z.infer<typeof chatFields>;
export type GenerateRequest = z.infer<typeof generateRequest>;
export type ChatRequest = z.infer<typeof chatRequest>;
export type GenerateBody = z.infer<typeof generateBody>;
export type ChatBody = z.infer<typeof chatBody>;
export type GenerationRef = z.infer<typeof generationRef>;
export type JoinRequest = z.infer<typeof joinRequest>;
export type PullBody = z.infer<typeof pullBody>;
export type SendMessageRequest = z.infer<typeof sendMessageRequest>;
export type ToolCall = z.infer<typeof toolCall>;

// --- states, errors ------------------------------------------------------------------------------

export const generationState = z
  .enum([
    'queued',
    'starting',
    'streaming',
    'cancelling',
    'completed',
    'cancelled',
    'failed',
    'interrupted',
  ])
  .meta({
    id: 'GenerationState',
    description: '`queued → starting → streaming → (cancelling) →` one of the last four.',
    examples: ['streaming'],
  });
export type GenerationState = z.infer<typeof generationState>;

/** The closed list of error codes. What each one means stands in `errors.ts`. */
export const errorCode = z
  .enum([
    'invalid_request',
    'forbidden',
    'client_not_found',
    'generation_not_found',
    'not_found',
    'idempotency_conflict',
    'payload_too_large',
    'unsupported_media_type',
    'rate_limited',
    'queue_full',
    'shutting_down',
    'internal',
    'upstream_unreachable',
    'upstream_rejected',
    'upstream_unauthorized',
    'upstream_forbidden',
    'upstream_not_found',
    'model_not_found',
    'context_overflow',
    'upstream_rate_limited',
    'upstream_quota_exceeded',
    'upstream_busy',
    'upstream_loading',
    'upstream_error',
    'upstream_out_of_memory',
    'upstream_timeout',
    'first_byte_timeout',
    'idle_timeout',
    'generation_timeout',
    'upstream_truncated',
    'upstream_protocol_error',
    'line_too_long',
    'bad_content_type',
    'tool_call_incomplete',
    'output_too_large',
    'queue_timeout',
    'node_shutdown',
  ])
  .meta({ id: 'ErrorCode', description: 'A closed list.', examples: ['queue_full'] });
export type ErrorCode = z.infer<typeof errorCode>;

export const refusal = z
  .object({
    statusCode: z.number().optional().describe('The HTTP status; not over the socket.'),
    code: errorCode,
    message: z.string().describe('For people; may change. Programs go by `code`.'),
    retryable: z.boolean().describe('Whether the same request may succeed later.'),
    retryAfterMs: z
      .number()
      .optional()
      .describe('Earliest sensible time for the next try, in milliseconds.'),
    requestId: z
      .string()
      .optional()
      .describe("The HTTP request's `X-Request-Id`, which the log knows too."),
    details: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .describe('Which fields of the request are wrong, and why. Never their values.'),
  })
  .meta({
    id: 'Refusal',
    description: "A refusal: the HTTP body, and `error` in a socket's ack.",
    examples: [
      {
        code: 'queue_full',
        message: 'The waiting line is full.',
        retryable: true,
        retryAfterMs: 4200,
      },
      {
        code: 'invalid_request',
        message: 'The request is not well-formed.',
        retryable: false,
        details: [{ path: 'prompt', message: 'Invalid input: expected string' }],
      },
    ],
  });
export type Refusal = z.infer<typeof refusal>;

// --- records -------------------------------------------------------------------------------------

export const finishReason = z
  .enum(['stop', 'length', 'tool_calls', 'content_filter', 'load', 'unload', 'success', 'unknown'])
  .meta({ id: 'FinishReason', description: 'Why the answer is over.', examples: ['stop'] });
export type FinishReason = z.infer<typeof finishReason>;

/** Ollama's own numbers for one answer; durations in nanoseconds. Absent where it sends none. */
export const statistics = z
  .object({
    total_duration: z.number(),
    load_duration: z.number(),
    prompt_eval_count: z.number(),
    prompt_eval_duration: z.number(),
    eval_count: z.number(),
    eval_duration: z.number(),
  })
  .partial();
export type Statistics = z.infer<typeof statistics>;

export const usage = z
  .object({ promptTokens: z.number(), completionTokens: z.number() })
  .nullable()
  .meta({
    id: 'Usage',
    description: 'Tokens read and written; null where the upstream does not say.',
    examples: [{ promptTokens: 11, completionTokens: 40 }, null],
  });
export type Usage = z.infer<typeof usage>;

export const timings = z
  .object({
    queuedMs: z.number(),
    loadMs: z.number().nullable().describe('Time the upstream took to load the model.'),
    firstTokenMs: z.number().nullable(),
    totalMs: z.number().nullable(),
    tokensPerSecond: z.number().nullable(),
  })
  .meta({
    id: 'Timings',
    description: 'Milliseconds since the request was accepted, and speed; null where unknown.',
    examples: [
      { queuedMs: 0, loadMs: 40, firstTokenMs: 210, totalMs: 2410, tokensPerSecond: 18.2 },
    ],
  });
export type Timings = z.infer<typeof timings>;

const envelope = {
  generationId,
  seq: z.int().min(1).describe('1, 2, 3, … without holes in each generation.'),
  from: z
    .int()
    .min(1)
    .optional()
    .describe('First seq this record covers, where several were merged into one.'),
};
const chunkEnvelope = {
  ...envelope,
  model: z.string(),
  created_at: z.string().describe("RFC 3339, the upstream's clock."),
};
const chunkExample = {
  generationId: EXAMPLE_ID,
  seq: 1,
  model: 'llama3.2',
  created_at: EXAMPLE_TIME,
};

export const generateChunk = z
  .object({
    ...chunkEnvelope,
    response: z.string(),
    thinking: z.string().optional(),
    refusal: z.string().optional(),
    tool_calls: z.array(toolCall).optional(),
    done: z.literal(false),
  })
  .meta({
    id: 'GenerateChunk',
    description:
      'A piece of the answer to a generate request. With `from` it is several pieces merged into one: ' +
      'after a reconnect, or for a client that fell behind.',
    examples: [
      { ...chunkExample, response: 'The', done: false },
      { ...chunkExample, seq: 9, from: 2, response: ' sky is blue because', done: false },
      { ...chunkExample, response: '', thinking: 'Rayleigh', done: false },
    ],
  });
export const chatChunk = z
  .object({
    ...chunkEnvelope,
    message: z.object({
      role: z.literal('assistant'),
      content: z.string(),
      thinking: z.string().optional(),
      refusal: z.string().optional().describe('Where the model declines, in its words.'),
      tool_calls: z.array(toolCall).optional(),
    }),
    done: z.literal(false),
  })
  .meta({
    id: 'ChatChunk',
    description:
      'A piece of the answer to a chat. With `from` it is several pieces merged into one: after a ' +
      'reconnect, or for a client that fell behind.',
    examples: [
      { ...chunkExample, message: { role: 'assistant', content: 'The' }, done: false },
      {
        ...chunkExample,
        seq: 9,
        from: 2,
        message: { role: 'assistant', content: ' sky is blue because' },
        done: false,
      },
      {
        ...chunkExample,
        message: {
          role: 'assistant',
          content: '',
          tool_calls: [{ function: { name: 'weather', arguments: { city: 'Oslo' } } }],
        },
        done: false,
      },
    ],
  });

const lastChunk = { done: z.literal(true), done_reason: z.string(), ...statistics.shape };
const lastChunkExample = {
  ...chunkExample,
  seq: 41,
  done: true,
  done_reason: 'stop',
  total_duration: 2_410_000_000,
  load_duration: 40_000_000,
  prompt_eval_count: 11,
  prompt_eval_duration: 90_000_000,
  eval_count: 40,
  eval_duration: 2_200_000_000,
};
export const generateLastChunk = generateChunk
  .omit({ done: true })
  .extend(lastChunk)
  .meta({
    id: 'GenerateLastChunk',
    description:
      "The last chunk of a generate request, with the upstream's statistics (durations in nanoseconds).",
    examples: [{ ...lastChunkExample, response: '' }],
  });
export const chatLastChunk = chatChunk
  .omit({ done: true })
  .extend(lastChunk)
  .meta({
    id: 'ChatLastChunk',
    description:
      "The last chunk of a chat, with the upstream's statistics (durations in nanoseconds).",
    examples: [{ ...lastChunkExample, message: { role: 'assistant', content: '' } }],
  });

const layer = { digest: z.string(), total: z.number(), completed: z.number() };
export const pullChunk = z
  .object({
    ...chunkEnvelope,
    status: z.string(),
    ...z.object(layer).partial().shape,
    done: z.literal(false),
  })
  .meta({
    id: 'PullChunk',
    description:
      "Progress of a model pull, in Ollama's words; `completed` of `total` bytes of one layer. " +
      'At most four a second for each layer.',
    examples: [
      {
        ...chunkExample,
        status: 'pulling aabbccddeeff',
        digest: 'sha256:aabbccddeeff',
        total: 100,
        completed: 40,
        done: false,
      },
    ],
  });
export const pullLastChunk = z
  .object({ ...chunkEnvelope, status: z.literal('success'), ...lastChunk })
  .meta({
    id: 'PullLastChunk',
    description: 'The model is there.',
    examples: [{ ...chunkExample, seq: 41, status: 'success', done: true, done_reason: 'success' }],
  });

const proof = {
  bytes: z
    .int()
    .min(0)
    .describe('Of the UTF-8 of all answer text so far; thinking is not part of it.'),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe('Of the same text: proves that nothing was lost.'),
};
const EXAMPLE_TEXT = {
  bytes: 17,
  sha256: '7a1c3b5f0e2d4968a7b6c5d4e3f20118293a4b5c6d7e8f90a1b2c3d4e5f60718',
};

export const completedRecord = z
  .object({
    ...envelope,
    message: z.literal('Streaming completed'),
    state: z.literal('completed'),
    finishReason,
    usage,
    timings,
    ...proof,
  })
  .meta({
    id: 'CompletedRecord',
    description: 'Terminal: the answer is whole.',
    examples: [
      {
        generationId: EXAMPLE_ID,
        seq: 42,
        message: 'Streaming completed',
        state: 'completed',
        finishReason: 'stop',
        usage: { promptTokens: 11, completionTokens: 40 },
        timings: {
          queuedMs: 0,
          loadMs: 40,
          firstTokenMs: 210,
          totalMs: 2410,
          tokensPerSecond: 18.2,
        },
        ...EXAMPLE_TEXT,
      },
    ],
  });
export const cancelledRecord = z
  .object({
    ...envelope,
    message: z.literal('Streaming cancelled'),
    state: z.literal('cancelled'),
    reason: z.enum(['client', 'abandoned', 'admin']),
    upstreamClosedMs: z
      .number()
      .describe('Milliseconds from the cancel to the end of the upstream request.'),
    ...proof,
  })
  .meta({
    id: 'CancelledRecord',
    description: 'Terminal: somebody cancelled, or nobody read it any more.',
    examples: [
      {
        generationId: EXAMPLE_ID,
        seq: 9,
        message: 'Streaming cancelled',
        state: 'cancelled',
        reason: 'client',
        upstreamClosedMs: 3,
        ...EXAMPLE_TEXT,
      },
    ],
  });
const errorRecord = {
  ...envelope,
  error: z.literal('Streaming error'),
  code: errorCode,
  detail: z.string(),
  retryable: z.boolean(),
  retryAfterMs: z.number().optional(),
  ...proof,
};
const errorExample = {
  generationId: EXAMPLE_ID,
  seq: 9,
  error: 'Streaming error',
  ...EXAMPLE_TEXT,
};
export const failedRecord = z.object({ ...errorRecord, state: z.literal('failed') }).meta({
  id: 'FailedRecord',
  description: 'Terminal: the answer is not whole; `code` says why.',
  examples: [
    {
      ...errorExample,
      state: 'failed',
      code: 'upstream_truncated',
      detail: 'The answer ended before it was complete.',
      retryable: false,
    },
  ],
});
export const interruptedRecord = z
  .object({ ...errorRecord, state: z.literal('interrupted') })
  .meta({
    id: 'InterruptedRecord',
    description: 'Terminal: llm-cast itself went down.',
    examples: [
      {
        ...errorExample,
        state: 'interrupted',
        code: 'node_shutdown',
        detail: 'The server was shut down.',
        retryable: true,
      },
    ],
  });

export const terminalRecord = z
  .discriminatedUnion('state', [completedRecord, cancelledRecord, failedRecord, interruptedRecord])
  .meta({
    id: 'TerminalRecord',
    description:
      'The last record of a generation. A record is terminal if and only if it has `state`.',
  });
export type TerminalRecord = z.infer<typeof terminalRecord>;

export const streamRecord = z
  .union([
    generateChunk,
    chatChunk,
    pullChunk,
    generateLastChunk,
    chatLastChunk,
    pullLastChunk,
    terminalRecord,
  ])
  .meta({
    id: 'StreamRecord',
    description:
      'One record of a generation. Ignore fields that you do not know. Apply it if `from ?? seq` ' +
      'follows the last applied seq, drop it if its seq was applied, otherwise `join` again.',
  });
export type StreamRecord = z.infer<typeof streamRecord>;

const position = z
  .int()
  .min(1)
  .optional()
  .describe('While queued: the place in the line; 1 is next.');

const etaMs = z
  .int()
  .min(0)
  .optional()
  .describe('While queued: guess of the time until its turn, from recent durations.');

export const streamState = z
  .object({
    generationId,
    state: generationState,
    position,
    etaMs,
    upstream: z.string().optional().describe('Name of the upstream that was asked.'),
    attempt: z
      .int()
      .min(2)
      .optional()
      .describe('From the second attempt on: an upstream failed before the first record.'),
  })
  .meta({
    id: 'StreamState',
    description:
      'Sent when something of it changes, and at least every 15 s while the upstream is silent.',
    examples: [
      { generationId: EXAMPLE_ID, state: 'queued', position: 2, etaMs: 4800 },
      { generationId: EXAMPLE_ID, state: 'starting', upstream: 'ollama-2', attempt: 2 },
    ],
  });
export type StreamState = z.infer<typeof streamState>;

// --- answers -------------------------------------------------------------------------------------

const startedExample = { generationId: EXAMPLE_ID, state: 'queued', position: 2, etaMs: 4800 };
export const started = z
  .object({
    status: z.literal('Streaming started'),
    generationId,
    clientId,
    model: z.string(),
    state: generationState,
    position,
    etaMs,
    deduplicated: z
      .literal(true)
      .optional()
      .describe('The idempotency key was known: this is the generation that it started.'),
  })
  .meta({
    id: 'Started',
    description: 'The generation is accepted; its records go to the client.',
    examples: [
      {
        status: 'Streaming started',
        clientId: EXAMPLE_CLIENT,
        model: 'llama3.2',
        ...startedExample,
      },
    ],
  });
export type Started = z.infer<typeof started>;

const runningView = z.object({
  generationId,
  state: generationState,
  model: z.string(),
  text: z.string(),
  thinking: z.string(),
  position,
  seq: z.int().min(0).describe('Last appended record; 0 before the first.'),
  timings,
  usage,
});
export const generationView = z
  .union([
    runningView,
    z.intersection(runningView.omit({ state: true, position: true }), terminalRecord),
  ])
  .meta({
    id: 'GenerationView',
    description: "A generation as it is now; after its end also the terminal record's fields.",
    examples: [
      {
        generationId: EXAMPLE_ID,
        state: 'streaming',
        model: 'llama3.2',
        text: 'The sky is',
        thinking: '',
        seq: 3,
        timings: {
          queuedMs: 0,
          loadMs: null,
          firstTokenMs: 210,
          totalMs: null,
          tokensPerSecond: null,
        },
        usage: null,
      },
    ],
  });
export type GenerationView = z.infer<typeof generationView>;

export const queueView = z
  .object({
    waiting: z.int(),
    maxWaiting: z.int(),
    upstreams: z.array(
      z.object({ name: z.string(), running: z.int(), slots: z.int(), waiting: z.int() }),
    ),
  })
  .meta({
    id: 'QueueView',
    description: 'How many generations run and wait; counts only.',
    examples: [
      {
        waiting: 2,
        maxWaiting: 100,
        upstreams: [{ name: 'ollama', running: 1, slots: 1, waiting: 2 }],
      },
    ],
  });
export type QueueView = z.infer<typeof queueView>;

const upstreamHealth = z.object({
  name: z.string(),
  reachable: z.boolean(),
  circuit: z
    .enum(['closed', 'open'])
    .describe('Open: it failed lately, and is left alone while another can serve.'),
});
export const readiness = z
  .object({
    status: z.enum(['ok', 'draining', 'no_upstream']),
    upstreams: z.array(upstreamHealth),
  })
  .meta({
    id: 'Readiness',
    description: 'Whether requests should come here; 503 where `status` is not `ok`.',
    examples: [
      { status: 'ok', upstreams: [{ name: 'ollama', reachable: true, circuit: 'closed' }] },
    ],
  });
export type UpstreamHealth = z.infer<typeof upstreamHealth>;
export type Readiness = z.infer<typeof readiness>;

export const modelList = z
  .object({
    models: z.array(
      z.object({
        name: z.string(),
        upstream: z.string().describe('Name of the upstream that serves it, never its address.'),
        size: z.number().nullable().describe('Bytes on disk.'),
        contextLength: z
          .number()
          .nullable()
          .describe('Tokens; of the loaded model where it is loaded.'),
        capabilities: z.array(z.string()),
        loaded: z.boolean(),
      }),
    ),
  })
  .meta({
    id: 'ModelList',
    description: 'The models of all upstreams.',
    examples: [
      {
        models: [
          {
            name: 'llama3.2:latest',
            upstream: 'ollama',
            size: 2_019_393_189,
            contextLength: 131_072,
            capabilities: ['completion', 'tools'],
            loaded: true,
          },
        ],
      },
    ],
  });
export type ModelList = z.infer<typeof modelList>;

export const version = z.object({ version: z.string() }).meta({
  id: 'Version',
  description: "The upstream's version, as Ollama gives it.",
  examples: [{ version: '0.33.0' }],
});
export type Version = z.infer<typeof version>;

export const liveness = z.object({ status: z.literal('ok') }).meta({
  id: 'Liveness',
  description: 'The process answers.',
  examples: [{ status: 'ok' }],
});
export type Liveness = z.infer<typeof liveness>;

// --- Socket.IO events ----------------------------------------------------------------------------

/** Every request is answered through its ack, before any event of that generation. */
export type Ack<T> = (answer: ({ ok: true } & T) | { ok: false; error: Refusal }) => void;

const ack = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.discriminatedUnion('ok', [
    z.object({ ok: z.literal(true), ...shape }),
    z.object({ ok: z.literal(false), error: refusal }),
  ]);

const startedFields = started.pick({
  generationId: true,
  state: true,
  position: true,
  etaMs: true,
  deduplicated: true,
});
const startedAck = ack(startedFields.shape).meta({
  id: 'StartedAck',
  description: 'The generation is accepted, and its records follow; or the refusal.',
  examples: [{ ok: true, ...startedExample }],
});
/** What the ack of `generate` and `chat` says of the generation. */
export type StartedAck = z.infer<typeof startedFields>;

/** What a client may ask for over the socket, and what its ack is. */
export const clientEvents = {
  generate: {
    summary: "Start a generation on the model's generate endpoint, and read it.",
    request: generateRequest,
    ack: startedAck,
  },
  chat: {
    summary: 'Start a chat, and read it.',
    request: chatRequest,
    ack: startedAck,
  },
  send_message: {
    summary: 'Start a chat that every tab of the user sees.',
    request: sendMessageRequest,
    ack: startedAck,
  },
  join: {
    summary: 'Read a generation from any record on: after a reconnect, in a second tab.',
    request: joinRequest,
    ack: ack({
      state: generationState,
      seq: z.int().min(0).describe('The last appended record.'),
    }).meta({
      id: 'JoinAck',
      description: 'The records after `after` follow; or the refusal.',
      examples: [{ ok: true, state: 'streaming', seq: 17 }],
    }),
  },
  leave: {
    summary: 'Read a generation no more. With no reader left it ends `ABANDON_AFTER_MS` later.',
    request: generationRef,
    ack: ack({}).meta({
      id: 'LeaveAck',
      description: 'Nothing follows; or the refusal.',
      examples: [{ ok: true }],
    }),
  },
  cancel: {
    summary: 'Stop a generation. Answered when the upstream request is over, however often asked.',
    request: generationRef,
    ack: ack({ state: generationState }).meta({
      id: 'CancelAck',
      description: 'The final state; or the refusal.',
      examples: [{ ok: true, state: 'cancelled' }],
    }),
  },
};

/** What the server sends. */
export const serverEvents = {
  streamData: { summary: 'The next record of a generation that is read.', payload: streamRecord },
  streamState: {
    summary: 'Where a generation is that has no record to send.',
    payload: streamState,
  },
  exception: {
    summary: 'The refusal of a request that was sent without an ack callback.',
    payload: refusal,
  },
};

export type ClientToServerEvents = {
  [Event in keyof typeof clientEvents]: (
    request: z.infer<(typeof clientEvents)[Event]['request']>,
    ack: (answer: z.infer<(typeof clientEvents)[Event]['ack']>) => void,
  ) => void;
};
export type ServerToClientEvents = {
  [Event in keyof typeof serverEvents]: (
    payload: z.infer<(typeof serverEvents)[Event]['payload']>,
  ) => void;
};
