// Preloaded into a program (`node --import`): writes the address of every module that it loads into the
// file LOADED_MODULES, a line each.
import { appendFileSync } from 'node:fs';
import { register } from 'node:module';
import { isMainThread } from 'node:worker_threads';

// The hooks run on a thread of their own, which loads this file once more.
if (isMainThread) register(import.meta.url);

export async function load(url, context, next) {
  appendFileSync(process.env.LOADED_MODULES, `${url}\n`);
  return next(url, context);
}
