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
/** Most characters of an idempotency key. */
const IDEMPOTENCY_KEY_CHARS = 255;

// --- requests ------------------------------------------------------------------------------------

const int32 = z.int32();

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
  .partial();

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
  /** Default: the operator's model. */
  model: modelName.optional(),
  /** `"json"` or a JSON Schema that the answer must follow. */
  format: z.union([z.literal('json'), z.record(z.string(), z.unknown())]).optional(),
  /** Asks a thinking model to think, or how hard. */
  think: z.union([z.boolean(), z.enum(['low', 'medium', 'high', 'max'])]).optional(),
  options: samplingOptions.optional(),
  /** `keep`: run to the end even if nobody reads. Otherwise it ends `ABANDON_AFTER_MS` later. */
  onDisconnect: z.enum(['cancel', 'keep']).optional(),
};

/** The same key with the same request starts nothing anew. Over REST it is `Idempotency-Key`. */
export const idempotencyKey = z.string().min(1).max(IDEMPOTENCY_KEY_CHARS);

/** A tool call as Ollama writes it: `arguments` is an object, never a string. */
export const toolCall = z.object({
  id: z.string().optional(),
  function: z.object({
    index: z.number().optional(),
    name: z.string(),
    arguments: z.record(z.string(), z.unknown()),
  }),
});

export const chatMessage = z.strictObject({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: z.string(),
  thinking: z.string().optional(),
  images: z.array(base64).optional(),
  tool_calls: z.array(toolCall).optional(),
  tool_name: z.string().optional(),
  tool_call_id: z.string().optional(),
});

const tool = z.looseObject({
  type: z.literal('function'),
  function: z.looseObject({ name: z.string().min(1) }),
});

/** What is asked of a model. An empty prompt loads it. */
const generateFields = z.strictObject({
  prompt: z.string(),
  system: z.string().optional(),
  /** Text after the answer, for models that can fill in the middle. */
  suffix: z.string().optional(),
  images: z.array(base64).optional(),
  ...common,
});

/** Empty messages load the model. */
const chatFields = z.strictObject({
  messages: z.array(chatMessage),
  tools: z.array(tool).optional(),
  ...common,
});

/** Socket request `generate`. */
export const generateRequest = generateFields.extend({
  idempotencyKey: idempotencyKey.optional(),
});
/** Socket request `chat`. */
export const chatRequest = chatFields.extend({ idempotencyKey: idempotencyKey.optional() });

/**
 * Socket.IO id of the connected client (namespace `/events`) that is to receive the records. May be
 * left out with `onDisconnect: "keep"`, by callers that read over SSE or GET.
 */
const clientId = z.string().min(1).max(64).optional();
const hasReader = (body: { clientId?: string | undefined; onDisconnect?: string | undefined }) =>
  body.clientId !== undefined || body.onDisconnect === 'keep';
const needsReader = {
  path: ['clientId'],
  message: 'required, unless onDisconnect is "keep"',
};

/** Body of `POST /llm/generate`. */
export const generateBody = generateFields.extend({ clientId }).refine(hasReader, needsReader);
/** Body of `POST /llm/chat`. */
export const chatBody = chatFields.extend({ clientId }).refine(hasReader, needsReader);

/** A generation is named by its unguessable id (128 random bits, base64url). */
export const generationId = z.string().regex(/^[\w-]{22}$/, 'not a generation id');
/** Socket requests `cancel` and `leave`. */
export const generationRef = z.strictObject({ generationId });
/** Socket request `join`: the records with seq > `after` (0 = all), then those to come. */
export const joinRequest = z.strictObject({ generationId, after: z.int().min(0) });

export type GenerateFields = z.infer<typeof generateFields>;
export type ChatFields = z.infer<typeof chatFields>;
export type GenerateRequest = z.infer<typeof generateRequest>;
export type ChatRequest = z.infer<typeof chatRequest>;
export type GenerateBody = z.infer<typeof generateBody>;
export type ChatBody = z.infer<typeof chatBody>;
export type GenerationRef = z.infer<typeof generationRef>;
export type JoinRequest = z.infer<typeof joinRequest>;
export type ToolCall = z.infer<typeof toolCall>;

// --- states, errors ------------------------------------------------------------------------------

/** `queued → starting → streaming → (cancelling) →` one of the last four. */
export const generationState = z.enum([
  'queued',
  'starting',
  'streaming',
  'cancelling',
  'completed',
  'cancelled',
  'failed',
  'interrupted',
]);
export type GenerationState = z.infer<typeof generationState>;

/** The closed list of error codes. What each one means stands in `errors.ts`. */
export const errorCode = z.enum([
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
  'output_too_large',
  'queue_timeout',
  'node_shutdown',
]);
export type ErrorCode = z.infer<typeof errorCode>;

/** A refusal: the HTTP body, and `error` in a socket's ack (there without `statusCode`). */
export const refusal = z.object({
  statusCode: z.number().optional(),
  code: errorCode,
  message: z.string(),
  /** Whether the same request may succeed later. */
  retryable: z.boolean(),
  /** Earliest sensible time for the next try, in milliseconds. */
  retryAfterMs: z.number().optional(),
  /** The HTTP request's `X-Request-Id`, which the log knows too. */
  requestId: z.string().optional(),
  /** Which fields of the request are wrong, and why. Never their values. */
  details: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});
export type Refusal = z.infer<typeof refusal>;

// --- records -------------------------------------------------------------------------------------

export const finishReason = z.enum([
  'stop',
  'length',
  'tool_calls',
  'content_filter',
  'load',
  'unload',
  'success',
  'unknown',
]);
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

/** Tokens read and written; null where the upstream does not say. */
export const usage = z
  .object({ promptTokens: z.number(), completionTokens: z.number() })
  .nullable();
export type Usage = z.infer<typeof usage>;

/** Milliseconds since the request was accepted, and speed; null where unknown. */
export const timings = z.object({
  queuedMs: z.number(),
  /** Time the upstream took to load the model. */
  loadMs: z.number().nullable(),
  firstTokenMs: z.number().nullable(),
  totalMs: z.number().nullable(),
  tokensPerSecond: z.number().nullable(),
});
export type Timings = z.infer<typeof timings>;

const envelope = {
  generationId,
  /** 1, 2, 3, … without holes in each generation. */
  seq: z.int().min(1),
  /** First seq this record covers, where several were merged into one; otherwise absent. */
  from: z.int().min(1).optional(),
};
const chunkEnvelope = {
  ...envelope,
  model: z.string(),
  /** RFC 3339, the upstream's clock. */
  created_at: z.string(),
};

export const generateChunk = z.object({
  ...chunkEnvelope,
  response: z.string(),
  thinking: z.string().optional(),
  tool_calls: z.array(toolCall).optional(),
  done: z.literal(false),
});
export const chatChunk = z.object({
  ...chunkEnvelope,
  message: z.object({
    role: z.literal('assistant'),
    content: z.string(),
    thinking: z.string().optional(),
    tool_calls: z.array(toolCall).optional(),
  }),
  done: z.literal(false),
});

const lastChunk = { done: z.literal(true), done_reason: z.string(), ...statistics.shape };
/** The last chunk of a generate request, with the upstream's statistics. */
export const generateLastChunk = generateChunk.omit({ done: true }).extend(lastChunk);
/** The last chunk of a chat. */
export const chatLastChunk = chatChunk.omit({ done: true }).extend(lastChunk);

/** Proof of what was sent: of the UTF-8 of all answer text (thinking is not part of it). */
const proof = { bytes: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) };

export const completedRecord = z.object({
  ...envelope,
  message: z.literal('Streaming completed'),
  state: z.literal('completed'),
  finishReason,
  usage,
  timings,
  ...proof,
});
export const cancelledRecord = z.object({
  ...envelope,
  message: z.literal('Streaming cancelled'),
  state: z.literal('cancelled'),
  reason: z.enum(['client', 'abandoned', 'admin']),
  /** Milliseconds from the cancel to the end of the upstream request. */
  upstreamClosedMs: z.number(),
  ...proof,
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
export const failedRecord = z.object({ ...errorRecord, state: z.literal('failed') });
export const interruptedRecord = z.object({ ...errorRecord, state: z.literal('interrupted') });

/** The last record of a generation. A record is terminal if and only if it has `state`. */
export const terminalRecord = z.discriminatedUnion('state', [
  completedRecord,
  cancelledRecord,
  failedRecord,
  interruptedRecord,
]);
export type TerminalRecord = z.infer<typeof terminalRecord>;

export const streamRecord = z.union([
  generateChunk,
  chatChunk,
  generateLastChunk,
  chatLastChunk,
  terminalRecord,
]);
export type StreamRecord = z.infer<typeof streamRecord>;

/**
 * Payload of `streamState`: sent when something of it changes, and at least every 15 s while the
 * upstream is silent.
 */
export const streamState = z.object({
  generationId,
  state: generationState,
  /** While queued: the place in the line; 1 is next. */
  position: z.int().min(1).optional(),
  /** While queued: guess of the time until its turn, from recent durations of that model. */
  etaMs: z.int().min(0).optional(),
});
export type StreamState = z.infer<typeof streamState>;

// --- answers -------------------------------------------------------------------------------------

/** Body of the 201 of `POST /llm/generate` and `POST /llm/chat`. */
export const started = z.object({
  status: z.literal('Streaming started'),
  generationId,
  clientId,
  model: z.string(),
  state: generationState,
  /** While queued: the place in the line; 1 is next. */
  position: z.int().min(1).optional(),
  /** The idempotency key was known: this is the generation that it started. */
  deduplicated: z.literal(true).optional(),
});
export type Started = z.infer<typeof started>;

/** `GET /llm/generations/{id}`; after the end also the terminal record's fields. */
export const generationView = z.object({
  generationId,
  state: generationState,
  model: z.string(),
  text: z.string(),
  thinking: z.string(),
  /** Last appended record; 0 before the first. */
  seq: z.int().min(0),
  timings,
  usage,
});
export type GenerationView =
  z.infer<typeof generationView> | (Omit<z.infer<typeof generationView>, 'state'> & TerminalRecord);

/** `GET /llm/queue`: counts only. */
export const queueView = z.object({
  waiting: z.int(),
  maxWaiting: z.int(),
  upstreams: z.array(
    z.object({ name: z.string(), running: z.int(), slots: z.int(), waiting: z.int() }),
  ),
});
export type QueueView = z.infer<typeof queueView>;

export const modelList = z.object({
  models: z.array(
    z.object({
      name: z.string(),
      /** Name of the upstream that serves it, never its address. */
      upstream: z.string(),
      /** Bytes on disk. */
      size: z.number().nullable(),
      /** Tokens; of the loaded model where it is loaded. */
      contextLength: z.number().nullable(),
      capabilities: z.array(z.string()),
      loaded: z.boolean(),
    }),
  ),
});
export type ModelList = z.infer<typeof modelList>;

export const version = z.object({ version: z.string() });
export type Version = z.infer<typeof version>;

// --- Socket.IO events ----------------------------------------------------------------------------

/** Every request is answered through its ack, before any event of that generation. */
export type Ack<T> = (answer: ({ ok: true } & T) | { ok: false; error: Refusal }) => void;

export interface ServerToClientEvents {
  streamData: (record: StreamRecord) => void;
  streamState: (state: StreamState) => void;
  /** The refusal of a request that was sent without an ack callback. */
  exception: (error: Refusal) => void;
}

/** What the ack of `generate` and `chat` says of the generation. */
export type StartedAck = Pick<Started, 'generationId' | 'state' | 'position' | 'deduplicated'>;

export interface ClientToServerEvents {
  generate: (request: GenerateRequest, ack: Ack<StartedAck>) => void;
  chat: (request: ChatRequest, ack: Ack<StartedAck>) => void;
  /** `seq`: the last appended record. */
  join: (request: JoinRequest, ack: Ack<{ state: GenerationState; seq: number }>) => void;
  leave: (request: GenerationRef, ack: Ack<object>) => void;
  cancel: (request: GenerationRef, ack: Ack<{ state: GenerationState }>) => void;
}
