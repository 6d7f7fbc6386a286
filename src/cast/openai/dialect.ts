import { catchError, map, type Observable, of, throwError } from 'rxjs';
import { z } from 'zod';
import type { Config } from '../../config/config.js';
import { CastError } from '../../protocol/errors.js';
import type { Dialect, DialectCall } from '../http/dialect.js';
import type { ModelRequest } from '../model-request.js';
import { OpenAiDecoder } from './answer.js';
import { chatMessages, promptMessages } from './messages.js';
import { readModels } from './model-list.js';
import { openAiNames } from './names.js';
import { adjusted, KnownWishes, USUAL, type Wishes } from './wishes.js';

type Settings = Pick<
  Config,
  'OPENAI_API_KEY' | 'OPENAI_HEADERS' | 'OPENAI_BODY' | 'MAX_LINE_BYTES' | 'THINK_TAGS'
>;

/** Speaks OpenAI's chat completions, as vLLM, llama.cpp and many others do. */
export function openAi(settings: Settings): Dialect {
  const { OPENAI_API_KEY: key, OPENAI_HEADERS: headers, MAX_LINE_BYTES, THINK_TAGS } = settings;
  const known = new KnownWishes();
  const call = (request: ModelRequest, wishes: Wishes): DialectCall => {
    const body = openAiBody(request, wishes, settings.OPENAI_BODY);
    return {
      path: '/chat/completions',
      body,
      decoder: () => new OpenAiDecoder(MAX_LINE_BYTES, THINK_TAGS),
      otherwise: (said) => {
        const other = adjusted(wishes, body, said);
        return other && call(request, other);
      },
      accepted: () => known.remember(request.model, wishes),
    };
  };
  return {
    accept: ['text/event-stream', 'application/json'],
    headers: { ...(key !== undefined && { Authorization: `Bearer ${key}` }), ...headers },
    naming: openAiNames,
    listIsOptional: true,
    // llama.cpp has it beside the API; its router wants to know which model is meant.
    slotsPath: (model) => `/../slots?model=${encodeURIComponent(model)}`,
    batchTokens: 0,
    refuses: openAiRefusal,
    call: (request) => call(request, known.of(request.model)),
    models: (ask) => ask('/models', z.unknown()).pipe(map(readModels)),
    // The API has no version: an answer of any kind shows at least that it is there.
    version: (ask) =>
      ask('/models', z.unknown()).pipe(
        map(() => 'unknown'),
        catchError(unknownMeans('unknown')),
      ),
  };
}

/** The fallback where the server answered that it does not know the question. */
function unknownMeans<T>(fallback: T): (error: unknown) => Observable<T> {
  return (error) =>
    error instanceof CastError && error.code === 'upstream_not_found'
      ? of(fallback)
      : throwError(() => error);
}

/** `invalid_request` for what has no counterpart in chat completions. */
export function openAiRefusal(request: ModelRequest): CastError | undefined {
  const no = (path: string, message: string): CastError =>
    new CastError('invalid_request', { details: [{ path, message }] });
  if (request.endpoint === 'pull') return no('model', 'only Ollama pulls models');
  const unknown = Object.keys(request.options ?? {}).find((name) => !(name in PARAMETER));
  if (unknown !== undefined) {
    return no(`options.${unknown}`, 'the server of this model has no such option');
  }
  if (request.endpoint === 'chat') {
    return request.messages.length > 0
      ? undefined
      : no('messages', 'must not be empty for the server of this model');
  }
  if (request.suffix !== undefined) return no('suffix', 'the server of this model cannot fill in');
  return request.prompt === ''
    ? no('prompt', 'must not be empty for the server of this model')
    : undefined;
}

/**
 * The body of `/chat/completions`. A pull has none: it is refused.
 * @param operator more fields; what is asked wins
 */
export function openAiBody(
  request: ModelRequest,
  wishes = USUAL,
  operator: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  if (request.endpoint === 'pull') return {};
  const { model, format, strict, think } = request;
  const { tools, tool_choice, parallel_tool_calls } = request.endpoint === 'chat' ? request : {};
  return Object.assign({}, operator, {
    model,
    messages: request.endpoint === 'chat' ? chatMessages(request, wishes) : promptMessages(request),
    stream: true,
    ...(wishes.streamOptions && { stream_options: { include_usage: true } }),
    ...(tools !== undefined && { tools }),
    ...(tool_choice !== undefined && { tool_choice }),
    ...(parallel_tool_calls !== undefined && { parallel_tool_calls }),
    ...(format !== undefined && { response_format: responseFormat(format, strict, wishes) }),
    ...(think !== undefined && { reasoning_effort: EFFORT[String(think)] }),
    ...sampling(request.options ?? {}, wishes),
  });
}

/** `think` → `reasoning_effort`. */
const EFFORT: Readonly<Record<string, string>> = {
  false: 'none',
  true: 'medium',
  low: 'low',
  medium: 'medium',
  high: 'high',
  max: 'high',
};

/** Our option → the parameter of the same meaning. */
const PARAMETER: Readonly<Record<string, string>> = {
  temperature: 'temperature',
  top_p: 'top_p',
  seed: 'seed',
  stop: 'stop',
  presence_penalty: 'presence_penalty',
  frequency_penalty: 'frequency_penalty',
  num_predict: 'max_tokens',
};

function sampling(
  { num_predict: asked, ...options }: Partial<Record<string, unknown>>,
  { limit, most, mostNow }: Wishes,
): Record<string, unknown> {
  const named = Object.entries(options).map(([name, value]) => [PARAMETER[name] ?? name, value]);
  // Ollama's "no limit" (0 and less) is the default here.
  const isLimited = typeof asked === 'number' && asked > 0;
  return {
    ...(Object.fromEntries(named) as Record<string, unknown>),
    ...(isLimited && { [limit]: Math.min(asked, most, mostNow) }),
  };
}

/** llama.cpp knows "any JSON" only with a schema, and takes none for no wish. */
const ANY_OBJECT = { type: 'json_object', schema: { type: 'object' } };

function responseFormat(
  format: 'json' | Record<string, unknown>,
  strict: boolean | undefined,
  { jsonSchema }: Wishes,
): Record<string, unknown> {
  if (format === 'json') return jsonSchema ? ANY_OBJECT : { type: 'json_object' };
  const named = { name: 'answer', schema: format, ...(strict !== undefined && { strict }) };
  return { type: 'json_schema', json_schema: named };
}
