import { catchError, map, of, zip } from 'rxjs';
import { z } from 'zod';
import type { Config } from '../../config/config.js';
import { CastError } from '../../protocol/errors.js';
import type { Dialect } from '../http/dialect.js';
import type { ModelRequest } from '../model-request.js';
import { OllamaDecoder } from './answer.js';
import { readDescription, readModels } from './model-list.js';
import { ollamaNames, registryOf } from './names.js';
import { PullDecoder } from './pull-answer.js';

/** Ollama's `num_batch` where nobody sets it. */
const USUAL_BATCH_TOKENS = 512;

const versionAnswer = z.object({ version: z.string() });

/** What the operator puts on each request. */
type OperatorSettings = Pick<
  Config,
  'OLLAMA_OPTIONS' | 'OLLAMA_KEEP_ALIVE' | 'OLLAMA_TRUNCATE' | 'OLLAMA_SHIFT'
>;
type Settings = OperatorSettings &
  Pick<
    Config,
    'OLLAMA_API_KEY' | 'OLLAMA_HEADERS' | 'PULL_REGISTRIES' | 'MAX_LINE_BYTES' | 'THINK_TAGS'
  >;

/** Speaks Ollama's own API. */
export function ollama(settings: Settings): Dialect {
  const { OLLAMA_API_KEY: key, OLLAMA_HEADERS: headers, MAX_LINE_BYTES, THINK_TAGS } = settings;
  return {
    accept: ['application/x-ndjson', 'application/json'],
    headers: { ...(key !== undefined && { Authorization: `Bearer ${key}` }), ...headers },
    naming: ollamaNames,
    listIsOptional: false,
    batchTokens: batchTokens(settings),
    refuses: (request) =>
      request.endpoint === 'pull' ? pullRefusal(request.model, settings) : toolRefusal(request),
    call: (request) => ({
      path: `/api/${request.endpoint}`,
      body: ollamaBody(request, settings),
      decoder: () =>
        request.endpoint === 'pull'
          ? new PullDecoder(MAX_LINE_BYTES)
          : new OllamaDecoder(MAX_LINE_BYTES, THINK_TAGS),
    }),
    models: (ask) =>
      zip(
        ask('/api/tags', z.unknown()),
        // A server that lists its models but not what is loaded is still worth listing.
        ask('/api/ps', z.unknown()).pipe(catchError(() => of(undefined))),
      ).pipe(map(([tags, ps]) => readModels(tags, ps))),
    describe: (model, ask) => ask('/api/show', z.unknown(), { model }).pipe(map(readDescription)),
    version: (ask) => ask('/api/version', versionAnswer).pipe(map(({ version }) => version)),
  };
}

function batchTokens({ OLLAMA_OPTIONS: { num_batch: set } }: OperatorSettings): number {
  return typeof set === 'number' && set > 0 ? set : USUAL_BATCH_TOKENS;
}

/** The body of a request, with the operator's options under the caller's. */
export function ollamaBody(request: ModelRequest, operator: OperatorSettings): unknown {
  if (request.endpoint === 'pull') return { model: request.model, stream: true };
  // Ollama keeps to every schema.
  const { endpoint: _endpoint, options, strict: _strict, ...fields } = withoutToolChoice(request);
  const { OLLAMA_KEEP_ALIVE: keepAlive, OLLAMA_TRUNCATE, OLLAMA_SHIFT } = operator;
  return {
    stream: true,
    ...fields,
    options: Object.assign({}, operator.OLLAMA_OPTIONS, options),
    ...(keepAlive !== undefined && { keep_alive: keepAlive }),
    // Unless it is told not to, Ollama cuts the conversation, or the answer's beginning, silently.
    ...(!OLLAMA_TRUNCATE && { truncate: false }),
    ...(!OLLAMA_SHIFT && { shift: false }),
  };
}

/** Ollama lets the model choose: without tools it has none to call. */
function withoutToolChoice(
  request: Exclude<ModelRequest, { endpoint: 'pull' }>,
): Exclude<ModelRequest, { endpoint: 'pull' }> {
  if (request.endpoint === 'generate') return request;
  const { tool_choice: choice, parallel_tool_calls: _parallel, tools, ...fields } = request;
  return choice === 'none' || tools === undefined ? fields : { ...fields, tools };
}

/** `invalid_request` for a choice of tools that Ollama has no word for. */
function toolRefusal(request: ModelRequest): CastError | undefined {
  if (request.endpoint !== 'chat') return undefined;
  const { tool_choice: choice = 'auto', parallel_tool_calls: areParallel = true } = request;
  if (choice !== 'auto' && choice !== 'none') {
    return no('tool_choice', 'the server of this model lets the model choose: auto or none');
  }
  return areParallel || choice === 'none' || request.tools === undefined
    ? undefined
    : no('parallel_tool_calls', 'the server of this model cannot be held to one call');
}

function no(path: string, message: string): CastError {
  return new CastError('invalid_request', { details: [{ path, message }] });
}

/** A name may hold the host of a registry, which Ollama would connect to. */
function pullRefusal(
  model: string,
  { PULL_REGISTRIES: allowed }: Pick<Config, 'PULL_REGISTRIES'>,
): CastError | undefined {
  const registry = registryOf(model);
  // No name yet: whether it can pull at all is asked.
  if (model === '' || registry === undefined || allowed.includes(registry)) return undefined;
  return new CastError('forbidden', {
    message: 'Models may not be pulled from there.',
    details: [
      { path: 'model', message: ["a name of Ollama's library", ...allowed].join(', or of ') },
    ],
  });
}
