import { existsSync, readFileSync } from 'node:fs';

/** The folder of llm-cast's package.json, from `src/` and from `dist/`, whatever file this is built into. */
export const ROOT = rootOf(new URL('./', import.meta.url));

/** What `package.json` says of it. */
export const { version, description, license } = JSON.parse(
  readFileSync(new URL('package.json', ROOT), 'utf8'),
) as { version: string; description: string; license: string };

function rootOf(folder: URL): URL {
  return existsSync(new URL('package.json', folder)) ? folder : rootOf(new URL('../', folder));
}
