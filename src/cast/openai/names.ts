import type { Naming } from '../model-index.js';

/**
 * Servers of this kind compare names as they are written. A variant that no list has (OpenRouter's
 * `model:nitro`), another case and a tag `latest` on one side only are asked of the server all the
 * same: it knows better than its list.
 */
export const openAiNames: Naming = {
  listed: (name) => [name, folded(name)],
  asked: (name) => [name, folded(name), folded(name.replace(/:[^/:]*$/, ''))],
};

function folded(name: string): string {
  return name.toLowerCase().replace(/:latest$/, '');
}
