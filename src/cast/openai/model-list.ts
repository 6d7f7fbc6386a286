import { isObject, number } from '../decoding/json.js';
import type { ListedModel } from '../upstream.js';

/**
 * Reads a list of models, entry by entry: `{"data": […]}` (OpenAI), `{"models": […]}` or a bare list,
 * of objects or of names. An entry without a name is skipped.
 * @returns undefined for what is no list
 */
export function readModels(said: unknown): ListedModel[] | undefined {
  const lists = isObject(said) ? [said['data'], said['models']] : [said];
  const list = lists.find((one) => Array.isArray(one)) as unknown[] | undefined;
  return list?.flatMap((entry) => readModel(entry) ?? []);
}

function readModel(entry: unknown): ListedModel | undefined {
  const fields = isObject(entry) ? entry : { id: entry };
  const name = [fields['id'], fields['name'], fields['model']].find(isName);
  if (name === undefined) return undefined;
  const meta = isObject(fields['meta']) ? fields['meta'] : {};
  const provider = isObject(fields['top_provider']) ? fields['top_provider'] : {};
  return {
    name,
    aliases: Array.isArray(fields['aliases']) ? fields['aliases'].filter(isName) : [],
    size: number(meta['size']) ?? number(fields['size']) ?? null,
    // llama.cpp, vLLM, OpenRouter; what the server has in force.
    contextLength:
      number(meta['n_ctx']) ??
      number(fields['max_model_len']) ??
      number(fields['loaded_context_length']) ??
      number(provider['context_length']) ??
      null,
    // llama.cpp, OpenRouter and Together, Groq, Mistral and LM Studio.
    maxContextLength:
      number(meta['n_ctx_train']) ??
      number(fields['context_length']) ??
      number(fields['context_window']) ??
      number(fields['max_context_length']) ??
      null,
    capabilities: [],
    loaded: isLoaded(fields['status'] ?? fields['state']),
  };
}

/** llama.cpp's router and LM Studio tell it; other servers list what they have loaded. */
function isLoaded(status: unknown): boolean {
  const said = isObject(status) ? status['value'] : status;
  return typeof said !== 'string' || !/unloaded|not.loaded|loading|failed|sleeping/i.test(said);
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
