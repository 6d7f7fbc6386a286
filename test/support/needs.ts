import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where PATH has the first of these programs that it has. */
export function programInPath(...names: string[]): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return names
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** `describe` where what the tests need is there; else it says what is skipped and why, and skips. */
export function describeIf(isThere: boolean, otherwise: string): jest.Describe {
  return isThere ? describe : (process.stderr.write(`SKIPPED: ${otherwise}\n`), describe.skip);
}
