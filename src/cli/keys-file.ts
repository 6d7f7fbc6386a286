import {
  chmodSync,
  chownSync,
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { keyLine, type KeyLine, KeyRing } from '../access/key-ring.js';
import { CommandError, EXIT } from './exit.js';

/** The lines of the file as they stand there. @throws CommandError where it is broken */
export function readKeys(file: string): string[] {
  try {
    const text = readFileSync(file, 'utf8');
    void new KeyRing(text);
    const lines = text.replace(/^\uFEFF/, '').split('\n');
    return lines.filter((line) => line.trim() !== '');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CommandError(`${file} cannot be used: ${code ?? message}.`, EXIT.failed);
  }
}

/** Adds a line at the end of the file, which it makes where there is none, for its owner only. */
export function appendKey(file: string, line: KeyLine): void {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, 'a+', 0o600);
    const { size } = fstatSync(descriptor);
    const last = Buffer.alloc(1);
    if (size > 0) readSync(descriptor, last, 0, 1, size - 1);
    const separator = size > 0 && last.toString() !== '\n' ? '\n' : '';
    writeSync(descriptor, `${separator}${JSON.stringify(line)}\n`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandError(`${file} cannot be written: ${code}.`, EXIT.failed);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/**
 * Takes out the keys of one id.
 * @param old keeps the newest of them
 * @returns how many
 */
export function removeKeys(file: string, id: string, old: boolean): number {
  const lines = readKeys(file);
  const ofId = lines.filter((line) => idOf(line) === id);
  if (ofId.length === 0) throw new CommandError(`There is no key ${id}.`, EXIT.failed);
  const newest = old ? ofId.at(-1) : undefined;
  const kept = lines.filter((line) => idOf(line) !== id || line === newest);
  try {
    replace(file, kept.map((line) => `${line}\n`).join(''));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandError(`${file} cannot be written: ${code}.`, EXIT.failed);
  }
  return lines.length - kept.length;
}

/**
 * In one step: a server that reads it in between sees the old file or the new one. Whoever could read the
 * old one can read the new one, under each name: a server that cannot goes on with the keys that it had.
 */
function replace(file: string, text: string): void {
  const path = realpathSync(file);
  const { mode, uid, gid } = statSync(path);
  const draft = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(draft, text, { mode: 0o600 });
    chownSync(draft, uid, gid);
    chmodSync(draft, mode);
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

function idOf(line: string): string | undefined {
  return keyLine.safeParse(JSON.parse(line)).data?.id;
}
