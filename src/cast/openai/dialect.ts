import { catchError, map, type Observable, of, throwError } from 'rxjs';
import { z } from 'zod';
import { CastError } from '../../protocol/errors.js';
import type { ModelRequest } from '../model-request.js';
import type { Dialect } from '../http/dialect.js';
import type { ListedModel } from '../upstream.js';
import { OpenAiDecoder } from './answer.js';
import { chatMessages, promptMessages } from './messages.js';

const modelsAnswer = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      // vLLM tells it; others do not.
      max_model_len: z.number().nullish(),
    }),
  ),
});

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
        map(({ data }) => data.map(listed)),
        catchError(unknownMeans(undefined)),
      ),
    // The API has no version: an answer of any kind shows at least that it is there.
    version: (ask) =>
      ask('/models', modelsAnswer).pipe(
        map(() => 'unknown'),
        catchError(unknownMeans('unknown')),
      ),
    canonical: (model) => model,
  };
}

function listed(model: z.infer<typeof modelsAnswer>['data'][number]): ListedModel {
  return {
    name: model.id,
    size: null,
    contextLength: model.max_model_len ?? null,
    capabilities: [],
    // Such a server lists what it has loaded.
    loaded: true,
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

/** The body of `/chat/completions`. A pull has none: it is refused. */
export function openAiBody(request: ModelRequest): unknown {
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
    Object.entries(options)
      // Ollama's "no limit" is the default here.
      .filter(([name, value]) => name !== 'num_predict' || (value as number) >= 0)
      .map(([name, value]) => [PARAMETER[name] ?? name, value]),
  );
}

function responseFormat(format: 'json' | Record<string, unknown>): unknown {
  return format === 'json'
    ? { type: 'json_object' }
    : { type: 'json_schema', json_schema: { name: 'answer', schema: format } };
}
