import { catchError, map, of } from 'rxjs';
import { z } from 'zod';
import { CastError } from '../errors.js';
import type { ChatFields, GenerateFields } from '../protocol.js';
import type { CastRequest } from './cast-request.js';
import type { Dialect, ListedModel } from './dialect.js';
import { openAiErrorText, OpenAiDecoder } from './openai-decoder.js';

const modelsAnswer = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      // vLLM tells it; others do not.
      max_model_len: z.number().nullish(),
    }),
  ),
});
const versionAnswer = z.object({ version: z.string() });

/** Speaks OpenAI's chat completions, as vLLM, llama.cpp and many others do. */
export function openAi(apiKey: string | undefined, maxLineBytes: number): Dialect {
  return {
    accept: ['text/event-stream', 'application/json'],
    headers: apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` },
    refuses: openAiRefusal,
    call: (request) => ({
      path: '/chat/completions',
      body: openAiBody(request),
      decoder: new OpenAiDecoder(maxLineBytes),
    }),
    models: (ask) =>
      ask('/models', modelsAnswer).pipe(
        map(({ data }) =>
          data.map((model): ListedModel => ({
            name: model.id,
            size: null,
            contextLength: model.max_model_len ?? null,
            capabilities: [],
            // Such a server lists what it has loaded.
            loaded: true,
          })),
        ),
      ),
    version: (ask) =>
      ask('/version', versionAnswer).pipe(
        map(({ version }) => version),
        catchError(() => of('unknown')),
      ),
    canonical: (model) => model,
    errorText: (body) => {
      try {
        return openAiErrorText(JSON.parse(body));
      } catch {
        return body;
      }
    },
  };
}

/** `invalid_request` for what has no counterpart in chat completions. */
export function openAiRefusal(request: CastRequest): CastError | undefined {
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

/** The body of `/chat/completions`. A pull has none: it is refused. */
export function openAiBody(request: CastRequest): unknown {
  if (request.endpoint === 'pull') return undefined;
  const { model, format, think } = request;
  const messages = request.endpoint === 'chat' ? chatMessages(request) : promptMessages(request);
  const { tools } = request.endpoint === 'chat' ? request : {};
  return {
    model,
    messages,
    stream: true,
    stream_options: { include_usage: true },
    ...(tools !== undefined && { tools }),
    ...(format !== undefined && { response_format: responseFormat(format) }),
    ...(think !== undefined && { reasoning_effort: EFFORT[String(think)] }),
    ...sampling(request.options ?? {}),
  };
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

function sampling(options: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [PARAMETER[name] ?? name, value]),
  );
}

function responseFormat(format: 'json' | Record<string, unknown>): unknown {
  return format === 'json'
    ? { type: 'json_object' }
    : { type: 'json_schema', json_schema: { name: 'answer', schema: format } };
}

function promptMessages(request: Omit<GenerateFields, 'model'>): unknown[] {
  return [
    ...(request.system === undefined ? [] : [{ role: 'system', content: request.system }]),
    { role: 'user', content: content(request.prompt, request.images) },
  ];
}

function chatMessages({ messages }: Pick<ChatFields, 'messages'>): unknown[] {
  return messages.map(({ role, content: said, images, tool_calls, tool_name, tool_call_id }) => ({
    role,
    content: content(said, images),
    ...(tool_name !== undefined && { name: tool_name }),
    ...(tool_call_id !== undefined && { tool_call_id }),
    ...(tool_calls !== undefined && {
      tool_calls: tool_calls.map((call, index) => ({
        id: call.id ?? `call_${index}`,
        type: 'function',
        function: {
          name: call.function.name,
          arguments: JSON.stringify(call.function.arguments),
        },
      })),
    }),
  }));
}

function content(said: string, images: readonly string[] | undefined): unknown {
  if (images === undefined || images.length === 0) return said;
  return [
    { type: 'text', text: said },
    ...images.map((image) => ({
      type: 'image_url',
      image_url: { url: `data:${mediaType(image)};base64,${image}` },
    })),
  ];
}

/** By the first bytes, as they look in base64. */
function mediaType(image: string): string {
  if (image.startsWith('/9j/')) return 'image/jpeg';
  if (image.startsWith('UklGR')) return 'image/webp';
  if (image.startsWith('R0lGOD')) return 'image/gif';
  return 'image/png';
}
