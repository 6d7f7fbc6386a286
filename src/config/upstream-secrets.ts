import type { Config } from './config.js';

/** Header values shorter than this, in characters, are words and not secrets. */
const SHORTEST_SECRET = 8;

/** What llm-cast knows of its upstreams and nobody else may read: keys, headers, passwords. */
export function upstreamSecrets(config: Config): string[] {
  const headers = [config.OLLAMA_HEADERS, config.OPENAI_HEADERS].flatMap((all) =>
    Object.values(all),
  );
  const passwords = [...config.OLLAMA_BASE_URL, ...config.OPENAI_BASE_URL].flatMap((url) =>
    URL.canParse(url) ? [decodeURIComponent(new URL(url).password)] : [],
  );
  const keys = [config.OPENAI_API_KEY ?? '', config.OLLAMA_API_KEY ?? '', ...passwords];
  return [...keys, ...headers.filter((value) => value.length >= SHORTEST_SECRET)].filter(
    (secret) => secret !== '',
  );
}
