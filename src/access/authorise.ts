import type { Scope } from '../protocol/access.js';
import { CastError } from '../protocol/errors.js';
import { CLAIMED, ownerOf, partsOf, type Principal } from './principal.js';

/** What is done to one generation. */
export type GenerationVerb = 'read' | 'cancel' | 'share';
/** What is done besides. */
export type Verb = 'start' | 'pull' | 'list' | 'mint' | 'admin';

type Column = 'key' | 'user' | 'link' | 'claimed' | 'socket' | 'rest';
type Relation = 'tenant' | 'owner' | 'named' | 'unowned' | 'unproven';
/** What a row asks of a principal: nothing, never, a scope, how it stands to the generation's owner. */
type Rule = boolean | { scope?: Scope; relation?: Relation; strict?: true };

const scoped = (scope: Scope, relation?: Relation): Rule => ({
  scope,
  ...(relation !== undefined && { relation }),
});

/** What each principal may do. Everything that a door does is asked here, each time. */
export const RULES: Readonly<Record<Verb | GenerationVerb, Readonly<Record<Column, Rule>>>> = {
  start: {
    key: scoped('start'),
    user: scoped('start'),
    link: false,
    claimed: true,
    socket: true,
    rest: true,
  },
  read: {
    key: scoped('read', 'tenant'),
    user: scoped('read', 'owner'),
    link: { relation: 'named' },
    claimed: { relation: 'owner' },
    socket: { relation: 'unowned' },
    rest: { relation: 'unproven' },
  },
  cancel: {
    key: scoped('cancel', 'tenant'),
    user: scoped('cancel', 'owner'),
    link: { relation: 'named' },
    claimed: { relation: 'owner' },
    socket: { relation: 'unowned' },
    rest: { relation: 'unproven' },
  },
  share: {
    key: { scope: 'share', relation: 'tenant', strict: true },
    user: { scope: 'share', relation: 'owner', strict: true },
    link: false,
    claimed: false,
    socket: false,
    rest: false,
  },
  pull: {
    key: scoped('pull'),
    user: scoped('pull'),
    link: false,
    claimed: true,
    socket: true,
    rest: true,
  },
  list: { key: true, user: true, link: false, claimed: true, socket: true, rest: true },
  /** Makes tokens of users. */
  mint: {
    key: scoped('start'),
    user: false,
    link: false,
    claimed: false,
    socket: false,
    rest: false,
  },
  admin: {
    key: scoped('admin'),
    user: scoped('admin'),
    link: false,
    claimed: false,
    socket: false,
    rest: false,
  },
};

/** A generation, as far as it matters here. */
export interface Owned {
  readonly id: string;
  /** See `ownerOf`. */
  readonly owner: string | undefined;
}

/**
 * Lets through what the principal may do.
 * @throws CastError `forbidden` where it may never do that; `generation_not_found`, the same as for
 * none, for a generation that is not its own
 */
export function authorise(principal: Principal, verb: Verb): void;
export function authorise(
  principal: Principal,
  verb: GenerationVerb | 'start',
  generation: Owned,
): void;
export function authorise(
  principal: Principal,
  verb: Verb | GenerationVerb,
  generation?: Owned,
): void {
  const rule = RULES[verb][columnOf(principal)];
  if (rule === true) return;
  if (rule === false) throw new CastError('forbidden');
  const { scope, relation, strict } = rule;
  if (scope !== undefined && !scopesOf(principal).includes(scope)) {
    throw new CastError('forbidden', { message: `This needs the scope ${scope}.` });
  }
  if (relation === undefined || generation === undefined) return;
  if (!stands(principal, verb, relation, generation)) throw new CastError('generation_not_found');
  // What nobody owns, nobody may give away.
  if (strict && generation.owner === undefined) throw new CastError('forbidden');
}

/** Whether a principal may read a generation, where that is no request that could be refused. */
export function mayRead(principal: Principal, generation: Owned): boolean {
  try {
    authorise(principal, 'read', generation);
    return true;
  } catch {
    return false;
  }
}

/** Which column of {@link RULES} a principal has. */
function columnOf(principal: Principal): Column {
  return principal.kind === 'user' && principal.token === undefined ? 'claimed' : principal.kind;
}

export function scopesOf(principal: Principal): readonly Scope[] {
  return 'scopes' in principal ? principal.scopes : [];
}

function stands(
  principal: Principal,
  verb: Verb | GenerationVerb,
  relation: Relation,
  { id, owner }: Owned,
): boolean {
  switch (relation) {
    case 'named':
      return (
        principal.kind === 'link' &&
        principal.generationId === id &&
        principal.verbs.some((granted) => granted === verb)
      );
    case 'owner':
      return owner === undefined || owner === ownerOf(principal);
    case 'tenant':
      return (
        owner === undefined ||
        (principal.kind === 'key' && partsOf(owner).tenant === principal.tenant)
      );
    case 'unowned':
      return owner === undefined;
    // A user that was only claimed: who knows the id may read it over REST.
    case 'unproven':
      return owner === undefined || partsOf(owner).tenant === CLAIMED;
    default:
      return relation satisfies never;
  }
}
