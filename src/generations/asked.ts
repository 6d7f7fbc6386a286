import type { ModelRequest } from '../cast/model-request.js';
import type { Principal } from '../access/principal.js';
import type { Config } from '../config/config.js';
import { CastError } from '../protocol/errors.js';
import type { ChatFields, GenerateFields } from '../protocol/model-fields.js';

/** What is asked for, and on which endpoint. */
export type Asked =
  ({ endpoint: 'generate' } & GenerateFields) | ({ endpoint: 'chat' } & ChatFields);

type Rules = Pick<
  Config,
  | 'ALLOWED_MODELS'
  | 'MAX_PROMPT_CHARS'
  | 'MAX_TOKENS'
  | 'OLLAMA_BASE_URL'
  | 'OLLAMA_MODEL'
  | 'OLLAMA_OPTIONS'
  | 'OPENAI_MODEL'
>;

/** What a value takes in memory beside its characters, in bytes; from heap measurements. */
const VALUE_BYTES = 16;
const CONTAINER_BYTES = 64;

/**
 * Turns what is asked into what is asked of an upstream: the model is settled, the limits are kept.
 * @throws CastError `forbidden` for a model that is not allowed; `payload_too_large`
 */
export function decide(asked: Asked, rules: Rules): ModelRequest {
  const { onDisconnect: _keep, audience: _audience, userId: _user, model, ...fields } = asked;
  const request: ModelRequest = { model: modelOf(model, rules), ...fields };
  const chars = textsOf(request).reduce((sum, text) => sum + text.length, 0);
  if (chars > rules.MAX_PROMPT_CHARS) {
    throw new CastError('payload_too_large', {
      message: `The request has more than ${rules.MAX_PROMPT_CHARS} characters of text.`,
    });
  }
  return bounded(request, rules);
}

/** The same request, whose answer cannot hold a slot for longer than `MAX_TOKENS` take. */
function bounded(request: ModelRequest, { MAX_TOKENS: most, OLLAMA_OPTIONS }: Rules): ModelRequest {
  if (most === 0 || request.endpoint === 'pull') return request;
  const asked = request.options?.num_predict ?? OLLAMA_OPTIONS['num_predict'];
  // Ollama takes 0 for no limit, as -1; -2 is until the context is full.
  const isWithin = typeof asked === 'number' && asked > 0 && asked <= most;
  // A spread that stands first would give each request a hidden class of its own.
  const options = Object.assign({}, request.options, { num_predict: isWithin ? asked : most });
  return Object.assign({}, request, { options });
}

/** @throws CastError `forbidden` */
export function checkModel(model: string, rules: Pick<Rules, 'ALLOWED_MODELS'>): void {
  checkAmong(model, allowedOf(rules));
}

/** @throws CastError `forbidden` for a model that the caller's token does not name */
export function checkModelOf(principal: Principal, model: string): void {
  checkAmong(model, modelsOf(principal));
}

/** The models that the operator allows; undefined: all. */
export function allowedOf({
  ALLOWED_MODELS: allowed,
}: Pick<Rules, 'ALLOWED_MODELS'>): readonly string[] | undefined {
  return allowed.length === 0 ? undefined : allowed;
}

/** The models that a caller may name; undefined: all. */
export function modelsOf(principal: Principal): readonly string[] | undefined {
  return principal.kind === 'user' ? principal.models : undefined;
}

function checkAmong(model: string, allowed: readonly string[] | undefined): void {
  if (allowed === undefined || isAllowed(model, allowed)) return;
  throw new CastError('forbidden', {
    message: 'This model is not allowed here.',
    details: [{ path: 'model', message: `one of ${allowed.join(', ') || 'none'}` }],
  });
}

/** Whether a list of names holds a model; Ollama's tag `latest` may be left out on either side. */
export function isAllowed(model: string, allowed: readonly string[]): boolean {
  const bare = (name: string): string => name.replace(/:latest$/, '');
  return allowed.some((name) => bare(name) === bare(model));
}

/** What the caller wrote for the model to read. */
export function textsOf(request: ModelRequest): string[] {
  switch (request.endpoint) {
    case 'chat':
      return request.messages.flatMap(({ content, thinking }) => [content, thinking ?? '']);
    case 'generate':
      return [request.prompt, request.system ?? '', request.suffix ?? ''];
    case 'pull':
      return [];
    default:
      return request satisfies never;
  }
}

/** Bytes of memory that a JSON value holds, about; nothing for undefined. */
export function sizeOf(json: unknown): number {
  let bytes = 0;
  const values: unknown[] = json === undefined ? [] : [json];
  while (values.length > 0) {
    const value = values.pop();
    if (typeof value === 'string') bytes += VALUE_BYTES + value.length;
    else if (typeof value !== 'object' || value === null) bytes += VALUE_BYTES;
    else if (Array.isArray(value)) {
      bytes += CONTAINER_BYTES;
      for (const one of value) values.push(one);
    } else {
      bytes += CONTAINER_BYTES;
      for (const [name, one] of Object.entries(value)) {
        bytes += name.length;
        values.push(one);
      }
    }
  }
  return bytes;
}

function modelOf(asked: string | undefined, rules: Rules): string {
  if (asked !== undefined) {
    checkModel(asked, rules);
    return asked;
  }
  // The operator's own choice needs no permission.
  const { OLLAMA_BASE_URL, OLLAMA_MODEL, OPENAI_MODEL } = rules;
  return OLLAMA_BASE_URL.length > 0 ? OLLAMA_MODEL : (OPENAI_MODEL ?? OLLAMA_MODEL);
}
