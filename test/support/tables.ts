import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The folder of the project. */
export const ROOT = join(import.meta.dirname, '../..');
/** The text of a file of the project. */
export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** What stands between `<!-- name -->` and `<!-- /name -->`. */
export function section(file: string, name: string): string {
  const found = new RegExp(`<!-- ${name} -->\n(.*?)<!-- /${name} -->`, 's').exec(read(file));
  if (found === null) throw new Error(`${file} has no section ${name}`);
  return found[1] ?? '';
}

/** The cells of a section's table, the heading first. */
export function tableIn(file: string, name: string): string[][] {
  return section(file, name)
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^[|\s:-]+$/.test(line))
    .map((line) =>
      line
        .replace(/^\||\|$/g, '')
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    );
}
