import type { GenerationVerb } from '../../src/access/authorise.js';

/** Owner → its letter in the table. */
export const OWNERS = {
  n: undefined,
  a: 'shop/ada',
  b: 'shop/bob',
  s: 'shop/',
  o: 'bank/ada',
  c: '/ada',
} as const;

/**
 * Of each principal, for read, cancel and share: whose generations it may. `!`: never (403); who may
 * read it, and not share it, is told so (403); all others are not there (404).
 */
export const GENERATIONS: Record<string, Record<GenerationVerb, string>> = {
  'key, all scopes': { read: 'nabs', cancel: 'nabs', share: 'abs' },
  'key, usual scopes': { read: 'nabs', cancel: 'nabs', share: 'abs' },
  'key that acts for ada': { read: 'nabs', cancel: 'nabs', share: 'abs' },
  ada: { read: 'na', cancel: 'na', share: 'a' },
  'ada, all scopes': { read: 'na', cancel: 'na', share: 'a' },
  bob: { read: 'nb', cancel: 'nb', share: 'b' },
  'ada of another tenant': { read: 'no', cancel: 'no', share: 'o' },
  'link, read': { read: 'nabsoc', cancel: '', share: '!' },
  'link, read and cancel': { read: 'nabsoc', cancel: 'nabsoc', share: '!' },
  'link of another generation': { read: '', cancel: '', share: '!' },
  'ada, only claimed': { read: 'nc', cancel: 'nc', share: '!' },
  'bob, only claimed': { read: 'n', cancel: 'n', share: '!' },
  socket: { read: 'n', cancel: 'n', share: '!' },
  rest: { read: 'nc', cancel: 'nc', share: '!' },
};

/** The code of the refusal of one cell; undefined where it is allowed. */
export function refusalOf(
  who: string,
  verb: GenerationVerb,
  owner: keyof typeof OWNERS,
): 'forbidden' | 'generation_not_found' | undefined {
  const may = GENERATIONS[who]![verb];
  if (may.includes(owner)) return undefined;
  const isUnowned = owner === 'n' && GENERATIONS[who]!.read.includes('n');
  return may === '!' || (verb === 'share' && isUnowned) ? 'forbidden' : 'generation_not_found';
}
