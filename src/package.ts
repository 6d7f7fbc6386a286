import { readFileSync } from 'node:fs';

/** Where llm-cast is: the same place from `src/` and from `dist/`, whatever file this is built into. */
export const ROOT = new URL('../', import.meta.url);

/** What `package.json` says of it. */
export const { version, description, license } = JSON.parse(
  readFileSync(new URL('package.json', ROOT), 'utf8'),
) as { version: string; description: string; license: string };
