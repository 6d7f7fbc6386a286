import type { ModelList } from '../../protocol/answers.js';
import { CastError } from '../../protocol/errors.js';

/** Nobody says when a model was made; OpenAI's field is required. */
const CREATED = 0;

/** A model as `GET /v1/models` lists it, and what a client may want to know besides. */
function modelOf({ name, upstream, contextLength, maxContextLength }: ModelList['models'][number]) {
  return {
    id: name,
    object: 'model',
    created: CREATED,
    owned_by: upstream,
    // As vLLM calls it.
    max_model_len: contextLength ?? maxContextLength,
  };
}

/** The answer of `GET /v1/models`. Two upstreams may have one model: it is listed once. */
export function modelsAnswer({ models }: ModelList): object {
  const byName = new Map(models.map((model) => [model.name, model]));
  return { object: 'list', data: [...byName.values()].map(modelOf) };
}

/**
 * The answer of `GET /v1/models/{id}`.
 * @param id Ollama's tag `latest` may be left out
 * @throws CastError `model_not_found`
 */
export function modelAnswer({ models }: ModelList, id: string): object {
  const found = models.find(({ name }) => name === id || name === `${id}:latest`);
  if (found === undefined) throw new CastError('model_not_found');
  return modelOf(found);
}
