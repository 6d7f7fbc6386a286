import { createHash } from 'node:crypto';
import type { ModelList } from '../../protocol/answers.js';

type Model = ModelList['models'][number];

/** A time that nobody knows, as Ollama's own client reads it (Go's zero time). */
const NEVER = '0001-01-01T00:00:00Z';
/** What stands before `.context_length` in `model_info`. */
const ARCHITECTURE = 'llm-cast';

/** The body of `GET /api/tags`. */
export function tagsOf({ models }: ModelList): object {
  return { models: models.map(cardOf) };
}

/** The body of `GET /api/ps`. */
export function loadedOf({ models }: ModelList): object {
  return {
    models: models
      .filter(({ loaded }) => loaded)
      .map((model) => ({
        ...cardOf(model),
        expires_at: NEVER,
        size_vram: 0,
        context_length: model.contextLength ?? model.maxContextLength ?? 0,
      })),
  };
}

/** The body of `POST /api/show`. */
export function shownOf(model: Model): object {
  const tokens = model.contextLength ?? model.maxContextLength;
  return {
    modelfile: '',
    parameters: '',
    template: '',
    details: detailsOf(),
    model_info: {
      'general.architecture': ARCHITECTURE,
      ...(tokens !== null && { [`${ARCHITECTURE}.context_length`]: tokens }),
    },
    capabilities: capabilitiesOf(model),
    modified_at: NEVER,
  };
}

function cardOf(model: Model): object {
  const { name, upstream, size } = model;
  return {
    name,
    model: name,
    modified_at: NEVER,
    size: size ?? 0,
    // Clients show its first characters: one for each entry, the same each time. No digest of weights.
    digest: createHash('sha256')
      .update(JSON.stringify([upstream, name]))
      .digest('hex'),
    details: detailsOf(),
    capabilities: capabilitiesOf(model),
  };
}

function capabilitiesOf({ capabilities }: Model): readonly string[] {
  return capabilities.length > 0 ? capabilities : ['completion'];
}

function detailsOf(): object {
  return {
    parent_model: '',
    format: '',
    family: '',
    families: null,
    parameter_size: '',
    quantization_level: '',
  };
}
