import type { Generation } from '../../generations/generation.js';
import { notServed } from '../refused.js';
import { responseOf } from './response-answer.js';
import type { InputItem, ResponseBody } from './response-body.js';
import type { OutputItem } from './response-items.js';
import { responseNotFound } from './response-note.js';

/** The id of an item of a response's output: its kind, the generation, its place. */
const ITEM_ID = /^(?:msg|rs|fc)_([\w-]{22}(?:[\w-]{8})?)_\d{1,9}$/;

/**
 * The input with the items themselves where it names items of earlier responses by their ids.
 * @param keptResponse the generation of a response that has ended
 * @throws CastError `generation_not_found` where there is no such item; `invalid_request` where one is
 * named twice, which OpenAI refuses too
 */
export async function withItems(
  input: ResponseBody['input'],
  keptResponse: (generationId: string, path: string) => Promise<Generation>,
): Promise<ResponseBody['input']> {
  if (typeof input === 'string') return input;
  const outputs = new Map<string, readonly OutputItem[]>();
  const named = new Set<string>();
  const items: InputItem[] = [];
  for (const [at, item] of input.entries()) {
    if (item.type !== 'item_reference') {
      items.push(item);
      continue;
    }
    const path = `input.${at}.id`;
    const { id = '' } = item;
    if (named.has(id)) throw notServed(path, 'the same item stands there twice');
    named.add(id);
    const generationId = ITEM_ID.exec(id)?.[1];
    if (generationId === undefined) throw responseNotFound();
    const output =
      outputs.get(generationId) ?? responseOf(await keptResponse(generationId, path)).output;
    outputs.set(generationId, output);
    const found = output.find((one) => one['id'] === id);
    if (found === undefined) throw responseNotFound();
    items.push(found);
  }
  return items;
}
