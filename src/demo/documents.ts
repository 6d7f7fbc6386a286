import { readdirSync, readFileSync } from 'node:fs';
import { ROOT } from '../config/package.js';
import { type Section, sectionsOf } from './sections.js';

/** The project's own documents, cut into sections. @throws Error when they are not there */
export function documents(): Section[] {
  const docs = readdirSync(new URL('docs/', ROOT)).filter((name) => name.endsWith('.md'));
  const files = [
    'README.md',
    ...docs.sort().map((name) => `docs/${name}`),
    'client/README.md',
    'SECURITY.md',
  ];
  return files.flatMap((file) => sectionsOf(file, readFileSync(new URL(file, ROOT), 'utf8')));
}
