import { CastError } from '../../protocol/errors.js';
import { isObject, number } from '../decoding/json.js';
import type { ListedModel, ModelDescription } from '../upstream.js';

/**
 * Reads `/api/tags`, entry by entry, with what `/api/ps` says of the loaded ones. An entry without a
 * name is skipped.
 * @throws CastError `upstream_protocol_error` for what is no such list
 */
export function readModels(tags: unknown, ps: unknown): ListedModel[] {
  const listed = entriesOf(tags);
  if (listed === undefined) throw new CastError('upstream_protocol_error');
  const running = new Map((entriesOf(ps) ?? []).map((entry) => [nameOf(entry), entry] as const));
  const models = listed.flatMap((entry): ListedModel[] => {
    const name = nameOf(entry);
    if (name === undefined || !isObject(entry)) return [];
    const loaded = running.get(name);
    const details = isObject(entry['details']) ? entry['details'] : {};
    return [
      {
        name,
        aliases: [],
        size: number(entry['size']) ?? null,
        contextLength: (isObject(loaded) ? number(loaded['context_length']) : undefined) ?? null,
        maxContextLength: number(details['context_length']) ?? null,
        capabilities: textsOf(entry['capabilities']),
        loaded: loaded !== undefined,
      },
    ];
  });
  if (models.length === 0 && listed.length > 0) throw new CastError('upstream_protocol_error');
  return models;
}

/** Reads `/api/show`: older versions of Ollama tell only there what a model can do. */
export function readDescription(said: unknown): ModelDescription {
  const { capabilities, model_info: info } = isObject(said) ? said : {};
  const about = isObject(info) ? info : {};
  const length = number(about[`${String(about['general.architecture'])}.context_length`]);
  return { capabilities: textsOf(capabilities), maxContextLength: length ?? null };
}

function textsOf(list: unknown): string[] {
  return Array.isArray(list) ? list.filter((one) => typeof one === 'string') : [];
}

function entriesOf(said: unknown): unknown[] | undefined {
  const list = isObject(said) ? said['models'] : said;
  return Array.isArray(list) ? list : undefined;
}

function nameOf(entry: unknown): string | undefined {
  if (!isObject(entry)) return undefined;
  const name = entry['name'] ?? entry['model'];
  return typeof name === 'string' && name !== '' ? name : undefined;
}
