import type { Naming } from '../model-index.js';

/** The registry that a name without a host belongs to. */
const REGISTRY = 'registry.ollama.ai';
/** Its other name. */
const SITE = 'ollama.com';

/**
 * Ollama compares names without case; the tag is `latest` where none is written, and
 * `registry.ollama.ai/library/` may be written in front.
 */
export const ollamaNames: Naming = {
  listed: (name) => [canonical(name)],
  asked: (name) => [canonical(name)],
};

function canonical(model: string): string {
  const bare = model.toLowerCase().replace(/^https?:\/\//, '');
  const name = bare.replace(/^registry\.ollama\.ai\//, '').replace(/^library\/(?=[^/]+$)/, '');
  return name.slice(name.lastIndexOf('/') + 1).includes(':') ? name : `${name}:latest`;
}

/**
 * The registry that Ollama would fetch a name from, as `host` or `host:port`: a name of three parts
 * or more begins with it, and so does one whose first part looks like a host.
 * @returns undefined for Ollama's own library; `''` for what is no name
 */
export function registryOf(model: string): string | undefined {
  const bare = model.toLowerCase().replace(/^[a-z+]*:\/\//, '');
  if (!/^[\w.-]+(:\d+)?(\/[\w.-]+)*(:[\w.-]+)?$/.test(bare) || bare.includes('..')) return '';
  const parts = bare.split('/');
  const [first = ''] = parts;
  const isHost = parts.length > 2 || (parts.length === 2 && /[.:]|^localhost$/.test(first));
  return isHost && first !== REGISTRY && first !== SITE ? first : undefined;
}
