import { type Scope, scope, USUAL_SCOPES } from '../protocol/access.js';
import { GENERATIONS, OWNERS, refusalOf } from '../../test/support/access-table.js';
import { CastError } from '../protocol/errors.js';
import { authorise, RULES, type Verb } from './authorise.js';
import { claimedPrincipal, type Principal } from './principal.js';

const ALL = scope.options;
const without = (missing: Scope): Scope[] => ALL.filter((one) => one !== missing);
const token = { id: 'j', issuedAt: 0, expiresAt: 9e9 };
const ID = 'k3JvX0d1Qm6c7Tq2Zr9s_A';

const key = (scopes: readonly Scope[], userId?: string): Principal => ({
  kind: 'key',
  tenant: 'shop',
  keyId: 'shop',
  sha256: '',
  createdAt: 0,
  scopes,
  limits: {},
  ...(userId !== undefined && { userId }),
});
const user = (scopes: readonly Scope[], sub = 'ada', tenant = 'shop'): Principal => ({
  kind: 'user',
  tenant,
  sub,
  scopes,
  limits: {},
  token,
});
const link = (verbs: ('read' | 'cancel')[], generationId = ID): Principal => ({
  kind: 'link',
  generationId,
  verbs,
  tenant: 'shop',
  sub: 'ada',
  token,
});

const PRINCIPALS: Record<string, Principal> = {
  'key, all scopes': key(ALL),
  'key, usual scopes': key(USUAL_SCOPES),
  'key that acts for ada': key(ALL, 'ada'),
  ada: user(USUAL_SCOPES),
  'ada, all scopes': user(ALL),
  bob: user(ALL, 'bob'),
  'ada of another tenant': user(ALL, 'ada', 'bank'),
  'link, read': link(['read']),
  'link, read and cancel': link(['read', 'cancel']),
  'link of another generation': link(['read', 'cancel'], 'x'.repeat(22)),
  'ada, only claimed': claimedPrincipal('ada'),
  'bob, only claimed': claimedPrincipal('bob'),
  socket: { kind: 'socket' },
  rest: { kind: 'rest' },
};

/** What each principal may do besides. */
const OTHERS: Record<string, Verb[]> = {
  'key, all scopes': ['start', 'pull', 'list', 'mint', 'admin'],
  'key, usual scopes': ['start', 'list', 'mint'],
  'key that acts for ada': ['start', 'pull', 'list', 'mint', 'admin'],
  ada: ['start', 'list'],
  'ada, all scopes': ['start', 'pull', 'list', 'admin'],
  bob: ['start', 'pull', 'list', 'admin'],
  'ada of another tenant': ['start', 'pull', 'list', 'admin'],
  'link, read': [],
  'link, read and cancel': [],
  'link of another generation': [],
  'ada, only claimed': ['start', 'pull', 'list'],
  'bob, only claimed': ['start', 'pull', 'list'],
  socket: ['start', 'pull', 'list'],
  rest: ['start', 'pull', 'list'],
};

/** `ok`, or the code of the refusal. */
function outcome(act: () => void): string {
  try {
    act();
    return 'ok';
  } catch (error) {
    expect(error).toBeInstanceOf(CastError);
    return (error as CastError).code;
  }
}

const ofGenerations = Object.keys(GENERATIONS).flatMap((who) =>
  (Object.keys(OWNERS) as (keyof typeof OWNERS)[]).flatMap((owner) =>
    (['read', 'cancel', 'share'] as const).map(
      (verb) => [who, verb, owner, refusalOf(who, verb, owner) ?? 'ok'] as const,
    ),
  ),
);

describe('who may do what', () => {
  it('is asked of every kind of principal, in every row', () => {
    expect(Object.keys(GENERATIONS)).toEqual(Object.keys(PRINCIPALS));
    expect(Object.keys(OTHERS)).toEqual(Object.keys(PRINCIPALS));
    const verbs = [...new Set(Object.values(OTHERS).flat()), 'read', 'cancel', 'share'];
    expect(new Set(Object.keys(RULES))).toEqual(new Set(verbs));
  });

  it.each(ofGenerations)('%s: %s of a generation of %s is %s', (who, verb, owner, expected) => {
    const generation = { id: ID, owner: OWNERS[owner] };
    expect(outcome(() => authorise(PRINCIPALS[who]!, verb, generation))).toBe(expected);
  });

  it.each(
    Object.entries(OTHERS).flatMap(([who, may]) =>
      (['start', 'pull', 'list', 'mint', 'admin'] as const).map(
        (verb) => [who, verb, may.includes(verb) ? 'ok' : 'forbidden'] as const,
      ),
    ),
  )('%s: %s is %s', (who, verb, expected) => {
    expect(outcome(() => authorise(PRINCIPALS[who]!, verb))).toBe(expected);
  });

  it.each(['read', 'cancel', 'share'] as const)('without the scope %s it is forbidden', (verb) => {
    const generation = { id: ID, owner: 'shop/ada' };
    for (const principal of [key(without(verb)), user(without(verb))]) {
      expect(outcome(() => authorise(principal, verb, generation))).toBe('forbidden');
      // Its owner makes no difference then.
      const foreign = { id: ID, owner: 'bank/bob' };
      expect(outcome(() => authorise(principal, verb, foreign))).toBe('forbidden');
    }
  });
});
