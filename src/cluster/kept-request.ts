import { z } from 'zod';
import type { Orphan } from '../generations/peers.js';
import { parseExact, stringifyExact } from '../protocol/exact-json.js';

/** What of a request is kept until it has begun. */
export type KeptRequest = Omit<Orphan, 'generation'> & {
  /** Name of the Redis key of its idempotency key. */
  keyName: string | undefined;
};

const kept = z.object({
  request: z.looseObject({ endpoint: z.enum(['generate', 'chat', 'pull']), model: z.string() }),
  caller: z.looseObject({ principal: z.looseObject({ kind: z.string() }), turn: z.string() }),
  keep: z.boolean(),
  keyName: z.string().optional(),
});

export function writeRequest(
  { request, caller, keep }: Orphan,
  keyName: KeptRequest['keyName'],
): string {
  return stringifyExact({ request, caller, keep, keyName });
}

/** @returns undefined for something that this version has not written */
export function readRequest(json: string): KeptRequest | undefined {
  const read = kept.safeParse(parseExact(json));
  return read.success ? (read.data as unknown as KeptRequest) : undefined;
}
