/**
 * The wire contract of llm-cast. Generated from the server's schemas by scripts/client-types.mjs:
 * do not edit, run `npm run client:types`.
 */

/** The trace that the request belongs to, as a W3C `traceparent`. Over REST it is the header. */
export type Traceparent = string;

/** The same key with the same request starts nothing anew. Over REST it is `Idempotency-Key`. */
export type IdempotencyKey = string;

/** Names a generation, unguessably: 122 random bits in base64url, and on one of several nodes the 8 characters of that node. */
export type GenerationId = string;

/** The seq of the last record that the caller has; the stream goes on behind it. */
export type LastEventId = number;

/** `queued → starting → streaming → (cancelling) →` one of the last four. */
export type GenerationState =
  | 'queued'
  | 'starting'
  | 'streaming'
  | 'cancelling'
  | 'completed'
  | 'cancelled'
  | 'failed'
  | 'interrupted';

/** Sent when something of it changes, and at least every 15 s while the upstream is silent. */
export type StreamState = {
  generationId: GenerationId;
  state: GenerationState;
  /** While queued: the place in the line; 1 is next. */
  position?: number | undefined;
  /** While queued: guess of the time until its turn, from recent durations. */
  etaMs?: number | undefined;
  /** Name of the upstream that was asked. */
  upstream?: string | undefined;
  /** From the second attempt on: an upstream failed before the first record. */
  attempt?: number | undefined;
};

/** What a credential may be used for. */
export type Scope = 'start' | 'read' | 'cancel' | 'share' | 'pull' | 'admin';

/** A space of users that do not meet those of another one. */
export type Tenant = string;

/** A user, as the app's backend names them: 1 to 128 printable characters. */
export type UserName = string;

/** What a principal may use; 0 = no limit, absent = what the server has set. */
export type Limits = {
  /** Generations that begin in one minute. */
  startsPerMinute?: number | undefined;
  /** Generations that run at once. */
  running?: number | undefined;
  /** Requests that wait for a slot. */
  waiting?: number | undefined;
  /** Open sockets. */
  sockets?: number | undefined;
  /** Tokens read and written in one day (UTC). */
  tokensPerDay?: number | undefined;
  /** Joins from the beginning (`after` 0) in ten seconds. */
  joinsPer10s?: number | undefined;
};

/** Asks for a token of one user, with an API key. */
export type TokenBody = {
  userId: UserName;
  /** How long the token is good for, in seconds. */
  ttl?: number | undefined;
  /** Never beyond the key's own; default: the usual. */
  scopes?: Array<Scope> | undefined;
};

/** A token of one user. */
export type TokenAnswer = {
  /** Goes into `Authorization: Bearer` or `auth.token`. */
  token: string;
  /** ISO time (UTC) from which on it is not good any more. */
  expiresAt: string;
};

/** Asks for a link to one generation. */
export type ShareBody = {
  /** What the link is good for; `cancel` only beside `read`. */
  verbs?: Array<'read' | 'cancel'> | undefined;
  /** Seconds; at most, and by default, `RETAIN_MS`. */
  ttl?: number | undefined;
};

/** A link to one generation, for a second device or a support case. */
export type ShareAnswer = {
  /** Good for this one generation: in `join`, or as Bearer. */
  token: string;
  /** Where the generation is, for `GET` with the token as Bearer. */
  url: string;
  /** ISO time (UTC) from which on it is not good any more. */
  expiresAt: string;
};

/** A new token of the same user, before the old one has expired. */
export type AuthRequest = {
  token: string;
};

/** Takes back credentials: of a key, of a user, or one token. */
export type RevokeBody = {
  /** Id of an API key. */
  key?: string | undefined;
  /** Of `sub`; default: the caller's own. */
  tenant?: Tenant | undefined;
  /** A user: all tokens and links of theirs. */
  sub?: UserName | undefined;
  /** One token. */
  jti?: string | undefined;
  /** What was issued up to that second; default: now. */
  before?: string | undefined;
  /** Whether what runs for them is cancelled too. */
  cancel?: boolean | undefined;
};

/** What the revocation ended. */
export type Revoked = {
  /** Sockets and event streams that were closed. */
  closed: number;
  /** Generations that were cancelled. */
  cancelled: number;
  /** Nodes that did not answer in time; absent where all did. */
  missing?: Array<string> | undefined;
};

/** The caller: its name, its rights, and what is left of its limits. */
export type Me = {
  kind: 'key' | 'user' | 'link' | 'anonymous';
  tenant?: Tenant | undefined;
  /** The user; absent for a key that acts for nobody. */
  sub?: string | undefined;
  /** Id of the API key. */
  key?: string | undefined;
  scopes: Array<Scope>;
  /** Models that may be named; absent: all. */
  models?: Array<string> | undefined;
  /** The one that a link is good for. */
  generationId?: GenerationId | undefined;
  /** ISO time (UTC) from which on it is not good any more. */
  expiresAt?: string | undefined;
  /** In force; absent or 0 = none. */
  limits: Limits;
  /** What is left where there is a limit. */
  left: {
    startsThisMinute?: number | undefined;
    tokensToday?: number | undefined;
  };
};

/** What waits and runs on all nodes, for whom; never a prompt or an answer. */
export type AdminGenerations = {
  generations: Array<{
    generationId: GenerationId;
    state: GenerationState;
    model: string;
    tenant?: string | undefined;
    sub?: string | undefined;
    seq: number;
  }>;
  /** Nodes that did not answer in time; absent where all did. */
  missing?: Array<string> | undefined;
};

/** A closed list. */
export type ErrorCode =
  | 'invalid_request'
  | 'unauthorized'
  | 'auth_expired'
  | 'forbidden'
  | 'client_not_found'
  | 'generation_not_found'
  | 'not_found'
  | 'method_not_allowed'
  | 'idempotency_conflict'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'rate_limited'
  | 'quota_exceeded'
  | 'queue_full'
  | 'shutting_down'
  | 'internal'
  | 'upstream_unreachable'
  | 'upstream_rejected'
  | 'upstream_unauthorized'
  | 'upstream_forbidden'
  | 'upstream_not_found'
  | 'model_not_found'
  | 'context_overflow'
  | 'upstream_rate_limited'
  | 'upstream_quota_exceeded'
  | 'upstream_busy'
  | 'upstream_loading'
  | 'upstream_error'
  | 'upstream_out_of_memory'
  | 'upstream_timeout'
  | 'first_byte_timeout'
  | 'idle_timeout'
  | 'generation_timeout'
  | 'upstream_truncated'
  | 'upstream_protocol_error'
  | 'line_too_long'
  | 'bad_content_type'
  | 'tool_call_incomplete'
  | 'output_too_large'
  | 'queue_timeout'
  | 'node_shutdown'
  | 'node_lost'
  | 'store_unavailable';

/** Why the answer is over. */
export type FinishReason =
  'stop' | 'length' | 'tool_calls' | 'content_filter' | 'load' | 'unload' | 'success' | 'unknown';

/** Tokens read and written; null where the upstream does not say. */
export type Usage = {
  promptTokens: number;
  completionTokens: number;
} | null;

/** Milliseconds since the request was accepted, and speed; null where unknown. */
export type Timings = {
  queuedMs: number;
  /** Time the upstream took to load the model. */
  loadMs: number | null;
  firstTokenMs: number | null;
  totalMs: number | null;
  tokensPerSecond: number | null;
};

/** Terminal: the answer is whole. */
export type CompletedRecord = {
  generationId: GenerationId;
  /** 1, 2, 3, … without holes in each generation. */
  seq: number;
  /** First seq this record covers, where several were merged into one. */
  from?: number | undefined;
  message: 'Streaming completed';
  state: 'completed';
  finishReason: FinishReason;
  usage: Usage;
  timings: Timings;
  /** Of the UTF-8 of all answer text so far; thinking is not part of it. */
  bytes: number;
  /** Of the same text: proves that nothing was lost. */
  sha256: string;
};

/** Terminal: somebody cancelled, or nobody read it any more. */
export type CancelledRecord = {
  generationId: GenerationId;
  /** 1, 2, 3, … without holes in each generation. */
  seq: number;
  /** First seq this record covers, where several were merged into one. */
  from?: number | undefined;
  message: 'Streaming cancelled';
  state: 'cancelled';
  reason: 'client' | 'abandoned' | 'admin';
  /** Milliseconds from the cancel to the end of the upstream request. */
  upstreamClosedMs: number;
  /** Of the UTF-8 of all answer text so far; thinking is not part of it. */
  bytes: number;
  /** Of the same text: proves that nothing was lost. */
  sha256: string;
};

/** Terminal: the answer is not whole; `code` says why. */
export type FailedRecord = {
  generationId: GenerationId;
  /** 1, 2, 3, … without holes in each generation. */
  seq: number;
  /** First seq this record covers, where several were merged into one. */
  from?: number | undefined;
  error: 'Streaming error';
  code: ErrorCode;
  detail: string;
  retryable: boolean;
  retryAfterMs?: number | undefined;
  /** Of the UTF-8 of all answer text so far; thinking is not part of it. */
  bytes: number;
  /** Of the same text: proves that nothing was lost. */
  sha256: string;
  state: 'failed';
};

/** Terminal: llm-cast itself went down. */
export type InterruptedRecord = {
  generationId: GenerationId;
  /** 1, 2, 3, … without holes in each generation. */
  seq: number;
  /** First seq this record covers, where several were merged into one. */
  from?: number | undefined;
  error: 'Streaming error';
  code: ErrorCode;
  detail: string;
  retryable: boolean;
  retryAfterMs?: number | undefined;
  /** Of the UTF-8 of all answer text so far; thinking is not part of it. */
  bytes: number;
  /** Of the same text: proves that nothing was lost. */
  sha256: string;
  state: 'interrupted';
};

/** The last record of a generation. A record is terminal if and only if it has `state`. */
export type TerminalRecord = CompletedRecord | CancelledRecord | FailedRecord | InterruptedRecord;

/** The generation is accepted; its records go to the client. */
export type Started = {
  status: 'Streaming started';
  generationId: GenerationId;
  /** Socket.IO id of the connected client (namespace `/events`) that is to receive the records. May be left out by callers that take the answer as `text/event-stream`, and with `onDisconnect: "keep"`, by callers that read over SSE or GET later. */
  clientId?: string | undefined;
  model: string;
  state: GenerationState;
  /** While queued: the place in the line; 1 is next. */
  position?: number | undefined;
  /** While queued: guess of the time until its turn, from recent durations. */
  etaMs?: number | undefined;
  /** The idempotency key was known: this is the generation that it started. */
  deduplicated?: true | undefined;
};

/** A generation that goes on: it has no terminal record yet. */
export type RunningView = {
  generationId: GenerationId;
  model: string;
  text: string;
  thinking: string;
  /** What the model said where it declined. */
  refusal?: string | undefined;
  /** Last appended record; 0 before the first. */
  seq: number;
  timings: Timings;
  usage: Usage;
  state: GenerationState;
  /** While queued: the place in the line; 1 is next. */
  position?: number | undefined;
};

/** A generation that is over, with the fields of its CompletedRecord. */
export type CompletedView = {
  generationId: GenerationId;
  /** Last appended record; 0 before the first. */
  seq: number;
  /** First seq this record covers, where several were merged into one. */
  from?: number | undefined;
  message: 'Streaming completed';
  state: 'completed';
  finishReason: FinishReason;
  usage: Usage;
  timings: Timings;
  /** Of the UTF-8 of all answer text so far; thinking is not part of it. */
  bytes: number;
  /** Of the same text: proves that nothing was lost. */
  sha256: string;
  model: string;
  text: string;
  thinking: string;
  /** What the model said where it declined. */
  refusal?: string | undefined;
};

/** A generation that is over, with the fields of its CancelledRecord. */
export type CancelledView = {
  generationId: GenerationId;
  /** Last appended record; 0 before the first. */
  seq: number;
  /** First seq this record covers, where several were merged into one. */
  from?: number | undefined;
  message: 'Streaming cancelled';
  state: 'cancelled';
  reason: 'client' | 'abandoned' | 'admin';
  /** Milliseconds from the cancel to the end of the upstream request. */
  upstreamClosedMs: number;
  /** Of the UTF-8 of all answer text so far; thinking is not part of it. */
  bytes: number;
  /** Of the same text: proves that nothing was lost. */
  sha256: string;
  model: string;
  text: string;
  thinking: string;
  /** What the model said where it declined. */
  refusal?: string | undefined;
  timings: Timings;
  usage: Usage;
};

/** A generation that is over, with the fields of its FailedRecord. */
export type FailedView = {
  generationId: GenerationId;
  /** Last appended record; 0 before the first. */
  seq: number;
  /** First seq this record covers, where several were merged into one. */
  from?: number | undefined;
  error: 'Streaming error';
  code: ErrorCode;
  detail: string;
  retryable: boolean;
  retryAfterMs?: number | undefined;
  /** Of the UTF-8 of all answer text so far; thinking is not part of it. */
  bytes: number;
  /** Of the same text: proves that nothing was lost. */
  sha256: string;
  state: 'failed';
  model: string;
  text: string;
  thinking: string;
  /** What the model said where it declined. */
  refusal?: string | undefined;
  timings: Timings;
  usage: Usage;
};

/** A generation that is over, with the fields of its InterruptedRecord. */
export type InterruptedView = {
  generationId: GenerationId;
  /** Last appended record; 0 before the first. */
  seq: number;
  /** First seq this record covers, where several were merged into one. */
  from?: number | undefined;
  error: 'Streaming error';
  code: ErrorCode;
  detail: string;
  retryable: boolean;
  retryAfterMs?: number | undefined;
  /** Of the UTF-8 of all answer text so far; thinking is not part of it. */
  bytes: number;
  /** Of the same text: proves that nothing was lost. */
  sha256: string;
  state: 'interrupted';
  model: string;
  text: string;
  thinking: string;
  /** What the model said where it declined. */
  refusal?: string | undefined;
  timings: Timings;
  usage: Usage;
};

/** A generation as it is now; after its end also the terminal record's fields. */
export type GenerationView =
  CompletedView | CancelledView | FailedView | InterruptedView | RunningView;

/** How many generations run and wait; counts only. */
export type QueueView = {
  waiting: number;
  maxWaiting: number;
  upstreams: Array<{
    name: string;
    running: number;
    slots: number;
    waiting: number;
  }>;
};

/** Whether requests should come here; 503 where `status` is not `ok`. */
export type Readiness = {
  status: 'ok' | 'draining' | 'no_upstream' | 'no_store';
  /** Empty while draining, and for callers without the credential that others need. */
  upstreams: Array<{
    name: string;
    reachable: boolean;
    /** Open: it failed lately, and is left alone while another can serve. */
    circuit: 'closed' | 'open';
  }>;
};

/** The models of all upstreams. */
export type ModelList = {
  models: Array<{
    name: string;
    /** Name of the upstream that serves it, never its address. */
    upstream: string;
    /** Bytes on disk. */
    size: number | null;
    /** Tokens that are in force; null where it is not loaded, or nobody says. */
    contextLength: number | null;
    /** Most tokens that the model can take; null where nobody says. */
    maxContextLength: number | null;
    capabilities: Array<string>;
    loaded: boolean;
  }>;
};

/** The upstream's version, as Ollama gives it. */
export type Version = {
  version: string;
};

/** The process answers. */
export type Liveness = {
  status: 'ok';
};

/** In the text format of Prometheus, version 0.0.4. */
export type MetricsText = string;

/** A refusal: the HTTP body, and `error` in a socket's ack. */
export type Refusal = {
  /** The HTTP status; not over the socket. */
  statusCode?: number | undefined;
  code: ErrorCode;
  /** For people; may change. Programs go by `code`. */
  message: string;
  /** Whether the same request may succeed later. */
  retryable: boolean;
  /** Earliest sensible time for the next try, in milliseconds. */
  retryAfterMs?: number | undefined;
  /** The HTTP request's `X-Request-Id`, which the log knows too. */
  requestId?: string | undefined;
  /** Which fields of the request are wrong, and why. Never their values. */
  details?:
    | Array<{
        path: string;
        message: string;
      }>
    | undefined;
};

/** How the model chooses its words, under Ollama's own names. */
export type SamplingOptions = {
  temperature?: number | undefined;
  top_k?: number | undefined;
  top_p?: number | undefined;
  min_p?: number | undefined;
  typical_p?: number | undefined;
  repeat_last_n?: number | undefined;
  repeat_penalty?: number | undefined;
  presence_penalty?: number | undefined;
  frequency_penalty?: number | undefined;
  seed?: number | undefined;
  stop?: Array<string> | undefined;
  num_predict?: number | undefined;
};

/** A tool call as Ollama writes it: `arguments` is an object, never a string. */
export type ToolCall = {
  id?: string | undefined;
  function: {
    index?: number | undefined;
    name: string;
    arguments: {
      [name: string]: unknown;
    };
  };
};

/** One message of a conversation. */
export type ChatMessage = {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string;
  thinking?: string | undefined;
  images?: Array<string> | undefined;
  tool_calls?: Array<ToolCall> | undefined;
  tool_name?: string | undefined;
  tool_call_id?: string | undefined;
};

/** A function that the model may ask for; passed to the model as it is. */
export type Tool = {
  type: 'function';
  function: {
    name: string;
    [name: string]: unknown;
  };
  [name: string]: unknown;
};

/** A piece of the answer to a generate request. With `from` it is several pieces merged into one: after a reconnect, or for a client that fell behind. */
export type GenerateChunk = {
  generationId: GenerationId;
  /** 1, 2, 3, … without holes in each generation. */
  seq: number;
  /** First seq this record covers, where several were merged into one. */
  from?: number | undefined;
  model: string;
  /** RFC 3339, the upstream's clock. */
  created_at: string;
  response: string;
  thinking?: string | undefined;
  refusal?: string | undefined;
  tool_calls?: Array<ToolCall> | undefined;
  done: false;
};

/** A piece of the answer to a chat. With `from` it is several pieces merged into one: after a reconnect, or for a client that fell behind. */
export type ChatChunk = {
  generationId: GenerationId;
  /** 1, 2, 3, … without holes in each generation. */
  seq: number;
  /** First seq this record covers, where several were merged into one. */
  from?: number | undefined;
  model: string;
  /** RFC 3339, the upstream's clock. */
  created_at: string;
  message: {
    role: 'assistant';
    content: string;
    thinking?: string | undefined;
    /** Where the model declines, in its words. */
    refusal?: string | undefined;
    tool_calls?: Array<ToolCall> | undefined;
  };
  done: false;
};

/** The last chunk of a generate request, with the upstream's statistics (durations in nanoseconds). */
export type GenerateLastChunk = {
  generationId: GenerationId;
  /** 1, 2, 3, … without holes in each generation. */
  seq: number;
  /** First seq this record covers, where several were merged into one. */
  from?: number | undefined;
  model: string;
  /** RFC 3339, the upstream's clock. */
  created_at: string;
  response: string;
  thinking?: string | undefined;
  refusal?: string | undefined;
  tool_calls?: Array<ToolCall> | undefined;
  done: true;
  done_reason: string;
  total_duration?: number | undefined;
  load_duration?: number | undefined;
  prompt_eval_count?: number | undefined;
  prompt_eval_duration?: number | undefined;
  eval_count?: number | undefined;
  eval_duration?: number | undefined;
};

/** The last chunk of a chat, with the upstream's statistics (durations in nanoseconds). */
export type ChatLastChunk = {
  generationId: GenerationId;
  /** 1, 2, 3, … without holes in each generation. */
  seq: number;
  /** First seq this record covers, where several were merged into one. */
  from?: number | undefined;
  model: string;
  /** RFC 3339, the upstream's clock. */
  created_at: string;
  message: {
    role: 'assistant';
    content: string;
    thinking?: string | undefined;
    /** Where the model declines, in its words. */
    refusal?: string | undefined;
    tool_calls?: Array<ToolCall> | undefined;
  };
  done: true;
  done_reason: string;
  total_duration?: number | undefined;
  load_duration?: number | undefined;
  prompt_eval_count?: number | undefined;
  prompt_eval_duration?: number | undefined;
  eval_count?: number | undefined;
  eval_duration?: number | undefined;
};

/** Progress of a model pull, in Ollama's words; `completed` of `total` bytes of one layer. At most four a second for each layer. */
export type PullChunk = {
  generationId: GenerationId;
  /** 1, 2, 3, … without holes in each generation. */
  seq: number;
  /** First seq this record covers, where several were merged into one. */
  from?: number | undefined;
  model: string;
  /** RFC 3339, the upstream's clock. */
  created_at: string;
  status: string;
  digest?: string | undefined;
  total?: number | undefined;
  completed?: number | undefined;
  done: false;
};

/** The model is there. */
export type PullLastChunk = {
  generationId: GenerationId;
  /** 1, 2, 3, … without holes in each generation. */
  seq: number;
  /** First seq this record covers, where several were merged into one. */
  from?: number | undefined;
  model: string;
  /** RFC 3339, the upstream's clock. */
  created_at: string;
  status: 'success';
  done: true;
  done_reason: string;
  total_duration?: number | undefined;
  load_duration?: number | undefined;
  prompt_eval_count?: number | undefined;
  prompt_eval_duration?: number | undefined;
  eval_count?: number | undefined;
  eval_duration?: number | undefined;
};

/** One record of a generation. Ignore fields that you do not know. Apply it if `from ?? seq` follows the last applied seq, drop it if its seq was applied, otherwise `join` again. */
export type StreamRecord =
  | GenerateChunk
  | ChatChunk
  | PullChunk
  | GenerateLastChunk
  | ChatLastChunk
  | PullLastChunk
  | TerminalRecord;

/** What the model is to go on from. An empty prompt loads the model. */
export type GenerateRequest = {
  prompt: string;
  system?: string | undefined;
  /** Text after the answer, for models that can fill in the middle. */
  suffix?: string | undefined;
  images?: Array<string> | undefined;
  /** Default: the operator's model. */
  model?: string | undefined;
  /** `"json"` or a JSON Schema that the answer must follow. */
  format?:
    | 'json'
    | {
        [name: string]: unknown;
      }
    | undefined;
  /** `true`: a server that takes a schema for advice, as that of OpenAI does, keeps to it. */
  strict?: boolean | undefined;
  /** Asks a thinking model to think, or how hard. */
  think?: boolean | 'low' | 'medium' | 'high' | 'max' | undefined;
  options?: SamplingOptions | undefined;
  /** `keep`: run to the end even if nobody reads. Otherwise it ends `ABANDON_AFTER_MS` later. */
  onDisconnect?: 'cancel' | 'keep' | undefined;
  /** For whom a backend with an API key asks: the generation is that user's. */
  userId?: UserName | undefined;
  /** The records go to every socket of the asking socket's user. */
  audience?: 'user' | undefined;
  idempotencyKey?: IdempotencyKey | undefined;
  trace?: Traceparent | undefined;
};

/** The conversation so far. Empty messages load the model. */
export type ChatRequest = {
  messages: Array<ChatMessage>;
  tools?: Array<Tool> | undefined;
  /** Whether the model may or must call a tool, or which. Not every server can be told. */
  tool_choice?:
    | 'auto'
    | 'none'
    | 'required'
    | {
        type: 'function';
        function: {
          name: string;
        };
      }
    | undefined;
  /** `false`: at most one call in an answer. Not every server of models can do that. */
  parallel_tool_calls?: boolean | undefined;
  /** Default: the operator's model. */
  model?: string | undefined;
  /** `"json"` or a JSON Schema that the answer must follow. */
  format?:
    | 'json'
    | {
        [name: string]: unknown;
      }
    | undefined;
  /** `true`: a server that takes a schema for advice, as that of OpenAI does, keeps to it. */
  strict?: boolean | undefined;
  /** Asks a thinking model to think, or how hard. */
  think?: boolean | 'low' | 'medium' | 'high' | 'max' | undefined;
  options?: SamplingOptions | undefined;
  /** `keep`: run to the end even if nobody reads. Otherwise it ends `ABANDON_AFTER_MS` later. */
  onDisconnect?: 'cancel' | 'keep' | undefined;
  /** For whom a backend with an API key asks: the generation is that user's. */
  userId?: UserName | undefined;
  /** The records go to every socket of the asking socket's user. */
  audience?: 'user' | undefined;
  idempotencyKey?: IdempotencyKey | undefined;
  trace?: Traceparent | undefined;
};

/** What the model is to go on from, and who receives it. An empty prompt loads it. */
export type GenerateBody = {
  prompt: string;
  system?: string | undefined;
  /** Text after the answer, for models that can fill in the middle. */
  suffix?: string | undefined;
  images?: Array<string> | undefined;
  /** Default: the operator's model. */
  model?: string | undefined;
  /** `"json"` or a JSON Schema that the answer must follow. */
  format?:
    | 'json'
    | {
        [name: string]: unknown;
      }
    | undefined;
  /** `true`: a server that takes a schema for advice, as that of OpenAI does, keeps to it. */
  strict?: boolean | undefined;
  /** Asks a thinking model to think, or how hard. */
  think?: boolean | 'low' | 'medium' | 'high' | 'max' | undefined;
  options?: SamplingOptions | undefined;
  /** `keep`: run to the end even if nobody reads. Otherwise it ends `ABANDON_AFTER_MS` later. */
  onDisconnect?: 'cancel' | 'keep' | undefined;
  /** For whom a backend with an API key asks: the generation is that user's. */
  userId?: UserName | undefined;
  /** The records go to every socket of the asking socket's user. */
  audience?: 'user' | undefined;
  /** Socket.IO id of the connected client (namespace `/events`) that is to receive the records. May be left out by callers that take the answer as `text/event-stream`, and with `onDisconnect: "keep"`, by callers that read over SSE or GET later. */
  clientId?: string | undefined;
};

/** The conversation so far, and who receives its next message. */
export type ChatBody = {
  messages: Array<ChatMessage>;
  tools?: Array<Tool> | undefined;
  /** Whether the model may or must call a tool, or which. Not every server can be told. */
  tool_choice?:
    | 'auto'
    | 'none'
    | 'required'
    | {
        type: 'function';
        function: {
          name: string;
        };
      }
    | undefined;
  /** `false`: at most one call in an answer. Not every server of models can do that. */
  parallel_tool_calls?: boolean | undefined;
  /** Default: the operator's model. */
  model?: string | undefined;
  /** `"json"` or a JSON Schema that the answer must follow. */
  format?:
    | 'json'
    | {
        [name: string]: unknown;
      }
    | undefined;
  /** `true`: a server that takes a schema for advice, as that of OpenAI does, keeps to it. */
  strict?: boolean | undefined;
  /** Asks a thinking model to think, or how hard. */
  think?: boolean | 'low' | 'medium' | 'high' | 'max' | undefined;
  options?: SamplingOptions | undefined;
  /** `keep`: run to the end even if nobody reads. Otherwise it ends `ABANDON_AFTER_MS` later. */
  onDisconnect?: 'cancel' | 'keep' | undefined;
  /** For whom a backend with an API key asks: the generation is that user's. */
  userId?: UserName | undefined;
  /** The records go to every socket of the asking socket's user. */
  audience?: 'user' | undefined;
  /** Socket.IO id of the connected client (namespace `/events`) that is to receive the records. May be left out by callers that take the answer as `text/event-stream`, and with `onDisconnect: "keep"`, by callers that read over SSE or GET later. */
  clientId?: string | undefined;
};

/** Which model Ollama is to pull, and who sees the progress. */
export type PullBody = {
  clientId: string;
  model: string;
};

/** A chat whose records go to every socket of that user, who must be who asks. */
export type SendMessageRequest = {
  user_id: string;
  user_content: string;
  system_content?: string | undefined;
  temperature?: number | undefined;
  idempotencyKey?: IdempotencyKey | undefined;
  trace?: Traceparent | undefined;
};

/** Which generation is meant. */
export type GenerationRef = {
  generationId: GenerationId;
};

/** Asks for the records with seq > `after` (0 = all), then those to come. */
export type JoinRequest = {
  generationId: GenerationId;
  after: number;
  /** A link to this generation. */
  token?: string | undefined;
};

/** What the user felt of an answer that is over. Numbers only. */
export type ReportRequest = {
  generationId: GenerationId;
  /** How long after they were made half of the records were applied. */
  medianMs: number;
  /** The same of 95 of 100 records. */
  p95Ms: number;
  /** How often the connection was lost meanwhile. */
  cuts: number;
  /** How often it went on after that. */
  resumes: number;
  /** Whether the text matches `bytes` and `sha256` of the end. */
  whole: boolean;
};

/** The generation is accepted, and its records follow; or the refusal. */
export type StartedAck =
  | {
      ok: true;
      generationId: GenerationId;
      state: GenerationState;
      /** While queued: the place in the line; 1 is next. */
      position?: number | undefined;
      /** While queued: guess of the time until its turn, from recent durations. */
      etaMs?: number | undefined;
      /** The idempotency key was known: this is the generation that it started. */
      deduplicated?: true | undefined;
    }
  | {
      ok: false;
      error: Refusal;
    };

/** The records after `after` follow; or the refusal. */
export type JoinAck =
  | {
      ok: true;
      state: GenerationState;
      /** The last appended record. */
      seq: number;
    }
  | {
      ok: false;
      error: Refusal;
    };

/** The socket is good until then; or the refusal. */
export type AuthAck =
  | {
      ok: true;
      /** ISO time (UTC) of the end of the token. */
      expiresAt: string;
    }
  | {
      ok: false;
      error: Refusal;
    };

/** It is counted, where the server has metrics; or the refusal. */
export type ReportAck =
  | {
      ok: true;
    }
  | {
      ok: false;
      error: Refusal;
    };

/** Nothing follows; or the refusal. */
export type LeaveAck =
  | {
      ok: true;
    }
  | {
      ok: false;
      error: Refusal;
    };

/** The final state; or the refusal. */
export type CancelAck =
  | {
      ok: true;
      state: GenerationState;
      /** The terminal record: `join` after `seq - 1` gets it alone. */
      seq: number;
    }
  | {
      ok: false;
      error: Refusal;
    };

/** What a client may ask for over the socket. */
export interface ClientToServerEvents {
  /** Start a generation on the model's generate endpoint, and read it. */
  generate: (request: GenerateRequest, ack: (answer: StartedAck) => void) => void;
  /** Start a chat, and read it. */
  chat: (request: ChatRequest, ack: (answer: StartedAck) => void) => void;
  /** Start a chat that every tab of the user sees. */
  send_message: (request: SendMessageRequest, ack: (answer: StartedAck) => void) => void;
  /** Read a generation from any record on: after a reconnect, in a second tab. */
  join: (request: JoinRequest, ack: (answer: JoinAck) => void) => void;
  /** Go on with a new token of the same user, before the old one has expired. */
  auth: (request: AuthRequest, ack: (answer: AuthAck) => void) => void;
  /** Tell the operator what the user felt of an answer that is over: counted once a socket. */
  report: (request: ReportRequest, ack: (answer: ReportAck) => void) => void;
  /** Read a generation no more. With no reader left it ends `ABANDON_AFTER_MS` later. */
  leave: (request: GenerationRef, ack: (answer: LeaveAck) => void) => void;
  /** Stop a generation. Answered when the upstream request is over, however often asked. */
  cancel: (request: GenerationRef, ack: (answer: CancelAck) => void) => void;
}

/** What the server sends. */
export interface ServerToClientEvents {
  /** The next record of a generation that is read. */
  streamData: (payload: StreamRecord) => void;
  /** Where a generation is that has no record to send. */
  streamState: (payload: StreamState) => void;
  /** The refusal of a request that was sent without an ack callback. */
  exception: (payload: Refusal) => void;
}
