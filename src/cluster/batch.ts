import { z } from 'zod';
import type { Part } from '../cast/part.js';
import type { Generation } from '../generations/generation.js';
import type { End, EndEntry, Entry, TextKind } from '../generations/log/entry.js';
import type { GenerationLog } from '../generations/log/generation-log.js';
import type { Times } from '../generations/stopwatch.js';
import type { StreamState } from '../protocol/stream-state.js';

/** Most characters of text in one batch: 64 KiB of UTF-8. */
const MAX_CHARS = Math.floor(65_536 / 3);

const seq = z.int().min(1);
const ms = z.number().min(0).nullable();
/** Text of one kind: its first seq, the characters of each entry, the text, when it was made. */
type TextItem = [type: TextKind, from: number, lengths: number[], text: string, createdAt: string];
/** An entry as it is: what is rare, or single. */
const partItem = z.tuple([z.literal('e'), seq, z.looseObject({ type: z.string() })]);
/** The end: its seq, the first seq that it covers, itself, and what was measured. */
const endItem = z.tuple([
  z.literal('z'),
  seq,
  seq,
  z.looseObject({ type: z.literal('end'), state: z.string(), sha256: z.string() }),
  z.tuple([ms, ms, ms]),
]);
const stateItem = z.tuple([z.literal('s'), z.looseObject({ state: z.string() })]);
const rareItem = z.union([partItem, endItem, stateItem]);
const batch = z.array(z.unknown());
const message = z.array(z.tuple([z.string(), batch]));

export type Item = TextItem | z.infer<typeof rareItem>;

/** @throws Error for what is no batch of ours */
export function parseItems(json: string): Item[] {
  return batch.parse(JSON.parse(json)).map(itemFrom);
}

/** What one channel message says, by generation. @throws Error for what is no message of ours */
export function parseMessage(json: string): [string, Item[]][] {
  return message.parse(JSON.parse(json)).map(([id, said]) => [id, said.map(itemFrom)]);
}

function itemFrom(said: unknown): Item {
  return isTextItem(said) ? said : rareItem.parse(said);
}

/** By hand: it is done for each piece of text that is read along, where a schema costs most of all. */
function isTextItem(said: unknown): said is TextItem {
  if (!Array.isArray(said) || said.length !== 5) return false;
  const [type, from, lengths, text, createdAt] = said as unknown[];
  return (
    (type === 'text' || type === 'thinking' || type === 'refusal') &&
    isCount(from) &&
    from > 0 &&
    Array.isArray(lengths) &&
    lengths.length > 0 &&
    lengths.every(isCount) &&
    typeof text === 'string' &&
    typeof createdAt === 'string'
  );
}

function isCount(said: unknown): said is number {
  return Number.isSafeInteger(said) && (said as number) >= 0;
}

/**
 * What a log says after `after`, as much as one batch holds.
 * @param ending the end that is to follow all that the log says, where it has none yet
 * @returns the batch and the last seq in it; undefined where there is nothing
 */
export function batchAfter(
  { log, stopwatch }: Generation,
  after: number,
  ending?: EndEntry,
): { json: string; seq: number; end: End | undefined } | undefined {
  const said: unknown[] = [];
  const head = ending?.seq ?? log.seq;
  let last = after;
  let end: End | undefined;
  for (let chars = 0; last < head && chars < MAX_CHARS;) {
    const entry = last < log.seq ? log.read(last) : (ending as EndEntry);
    last = entry.seq;
    chars += isText(entry) ? entry.said.text.length : 256;
    if (entry.said.type === 'end') end = entry.said;
    said.push(itemOf(log, entry, stopwatch.times));
  }
  return last === after ? undefined : { json: JSON.stringify(said), seq: last, end };
}

function itemOf(log: GenerationLog, entry: Entry, times: Times): unknown {
  const { seq, from, said } = entry;
  if (isText(entry)) {
    const { type, text, createdAt } = entry.said;
    return [type, from, log.lengths(from, seq), text, createdAt];
  }
  return said.type === 'end' ? ['z', seq, from, said, times] : ['e', seq, said];
}

function isText(entry: Entry): entry is Entry & { said: Extract<Part, { text: string }> } {
  return 'text' in entry.said;
}

/**
 * Puts what is new into a copy; what it has already is left out.
 * @returns false where something between is missing
 */
export function applyItems(generation: Generation, batch: readonly Item[]): boolean {
  for (const item of batch) {
    switch (item[0]) {
      case 's':
        announce(generation, item[1] as unknown as StreamState);
        break;
      case 'e':
        if (item[1] > generation.log.seq + 1) return false;
        if (item[1] === generation.log.seq + 1) append(generation, item[2] as unknown as Part);
        break;
      case 'z':
        if (item[2] > generation.log.seq + 1) return false;
        if (generation.log.end === undefined) {
          const said = item[3] as unknown as End;
          generation.adopt({ seq: item[1], from: generation.log.seq + 1, said }, item[4]);
        }
        break;
      default:
        if (!applyText(generation, item)) return false;
    }
  }
  return true;
}

function applyText(
  generation: Generation,
  [type, from, lengths, text, createdAt]: TextItem,
): boolean {
  if (from > generation.log.seq + 1) return false;
  let start = 0;
  for (const [at, length] of lengths.entries()) {
    if (from + at > generation.log.seq) {
      const piece = text.slice(start, start + length);
      append(generation, { type, text: piece, createdAt });
    }
    start += length;
  }
  return true;
}

function append(generation: Generation, part: Part): void {
  if (generation.log.end !== undefined) return;
  if (part.type === 'done') generation.done = part;
  generation.log.append(part);
}

/** A state that comes late changes nothing of an end. */
function announce(generation: Generation, { generationId: _id, ...status }: StreamState): void {
  if (generation.log.end === undefined) generation.announce(status);
}
