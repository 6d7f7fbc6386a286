import { readdirSync, readFileSync } from 'node:fs';
import { ROOT } from '../config/package.js';
import { type Section, sectionsOf } from './sections.js';

/** The project's own documents, cut into sections. @throws Error when they are not there */
export function documents(): Section[] {
  const docs = markdownIn('docs/');
  const decisions = markdownIn('docs/decisions/').filter((name) => name !== 'README.md');
  const files = [
    'README.md',
    ...docs.map((name) => `docs/${name}`),
    ...decisions.map((name) => `docs/decisions/${name}`),
    'client/README.md',
    'SECURITY.md',
  ];
  return files.flatMap((file) => sectionsOf(file, readFileSync(new URL(file, ROOT), 'utf8')));
}

function markdownIn(folder: string): string[] {
  return readdirSync(new URL(folder, ROOT))
    .filter((name) => name.endsWith('.md'))
    .sort();
}
