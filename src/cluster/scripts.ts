import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster, Redis } from 'ioredis';

/** The scripts, and of which files in `lua/` each is made. */
const FILES = {
  open: ['open'],
  append: ['append'],
  fence: ['fence'],
  undo: ['undo'],
  keyLife: ['key-life'],
  reclaim: ['reclaim'],
  sockets: ['sockets'],
  knownAdd: ['known-add'],
  knownFind: ['known-find'],
  lineEnter: ['line', 'line-enter'],
  lineTake: ['line', 'line-take'],
  lineLeave: ['line', 'line-leave'],
  lineMove: ['line', 'line-move'],
  lineMine: ['line', 'line-mine'],
  lineTell: ['line', 'line-tell'],
  lineDrop: ['line', 'line-drop'],
  lineView: ['line', 'line-view'],
} as const;

/** Beside this file, or, where the program is bundled into few files, where it was. */
const FOLDER = ['lua', 'cluster/lua']
  .map((folder) => join(import.meta.dirname, folder))
  .find((folder) => existsSync(folder));

export type ScriptName = keyof typeof FILES;

type Runner = (keys: number, ...keysAndArgs: (string | number)[]) => Promise<unknown>;

/** Makes the scripts commands of this client: sent by their digest, and whole where Redis lost them. */
export function defineScripts(client: Redis | Cluster): void {
  for (const [name, files] of Object.entries(FILES)) {
    const lua = files
      .map((file) => readFileSync(join(FOLDER ?? '', `${file}.lua`), 'utf8'))
      .join('\n');
    client.defineCommand(name, { lua });
  }
}

/** @throws what Redis or the connection says */
export function runScript(
  client: Redis | Cluster,
  name: ScriptName,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  const run = (client as unknown as Record<ScriptName, Runner>)[name];
  return run.call(client, keys.length, ...keys, ...args);
}
