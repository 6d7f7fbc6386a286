import { GENERATIONS, OWNERS } from './access-table.js';
import { bearer, KeysFile, SECRET, tokenOf } from './credentials.js';
import { type Answer, call } from './rest.js';
import { Stage } from './stage.js';

export type Owner = keyof typeof OWNERS;

const SCOPES = ['start', 'read', 'cancel', 'share', 'pull', 'admin'];
/** Principals that are sockets only, or callers over REST only. */
export const SOCKET_ONLY = new Set(['ada, only claimed', 'bob, only claimed', 'socket']);
export const REST_ONLY = new Set(['rest', 'key that acts for ada']);
/** Principals whose credential nobody can take back: they have none. */
const WITHOUT = new Set([...SOCKET_ONLY, 'rest']);

/** A server with the principals of the table of access, and generations of each owner. */
export class AccessStage {
  readonly ids = new Map<Owner, string>();
  /** What each principal shows; a link is another one for each generation. */
  private readonly credentials = new Map<string, (owner: Owner) => string | undefined>();

  private constructor(
    readonly stage: Stage,
    private readonly keys: { all: string; usual: string },
    private readonly users: Record<'root' | 'ada' | 'allAda' | 'bob' | 'other', string>,
  ) {}

  static async open(): Promise<AccessStage> {
    const file = new KeysFile();
    const all = file.add('shop', { scopes: SCOPES });
    const usual = file.add('usual', { tenant: 'shop' });
    const stage = await Stage.open({
      API_KEYS_FILE: file.path,
      JWT_SECRET: SECRET,
      ALLOW_ANONYMOUS: 'true',
      MAX_CONCURRENT: 50,
      LIMIT_STARTS_PER_MINUTE: 0,
      LIMIT_RUNNING: 0,
      LIMIT_SOCKETS: 0,
      LIMIT_JOINS_PER_10S: 0,
      LIMIT_HANDSHAKES_PER_10S: 0,
      LIMIT_SOCKETS_PER_ADDRESS: 0,
      LIMIT_FAILED_TOKENS_PER_MINUTE: 0,
    });
    const user = (sub: string, tenant: string, scopes?: string[]): Promise<string> =>
      tokenOf(sub, { tenant, ...(scopes !== undefined && { scopes }) });
    const users = {
      root: await tokenOf('root', { scopes: ['admin'] }),
      ada: await user('ada', 'shop'),
      allAda: await user('ada', 'shop', SCOPES),
      bob: await user('bob', 'shop', SCOPES),
      other: await user('ada', 'bank', SCOPES),
    };
    return new AccessStage(stage, { all, usual }, users);
  }

  rest(
    method: string,
    path: string,
    credential: string | undefined,
    body?: object,
  ): Promise<Answer> {
    const headers = credential === undefined ? {} : bearer(credential);
    return call(method, `${this.stage.app.url}${path}`, body, headers);
  }

  /**
   * Starts a generation of each owner, and makes links to them.
   * @param start one of whoever shows that; of `ada`, where a backend acts for her
   */
  async fill(start: (credential?: string, actsFor?: string) => Promise<string>): Promise<void> {
    const { all, usual } = this.keys;
    const { ada, allAda, bob, other } = this.users;
    this.ids.set('n', await start());
    this.ids.set('a', await start(all, 'ada'));
    this.ids.set('b', await start(bob));
    this.ids.set('s', await start(all));
    this.ids.set('o', await start(other));
    const reading = await this.links(['read']);
    const cancelling = await this.links(['read', 'cancel']);
    const shows: Record<string, string | ((owner: Owner) => string | undefined)> = {
      'key, all scopes': all,
      'key, usual scopes': usual,
      'key that acts for ada': all,
      ada,
      'ada, all scopes': allAda,
      bob,
      'ada of another tenant': other,
      'link, read': (owner) => reading.get(owner),
      'link, read and cancel': (owner) => cancelling.get(owner),
      'link of another generation': (owner) => cancelling.get(owner === 'a' ? 'b' : 'a'),
    };
    for (const [who, shown] of Object.entries(shows)) {
      this.credentials.set(who, typeof shown === 'string' ? () => shown : shown);
    }
  }

  /** What a principal shows for a generation of that owner. */
  credentialOf(who: string, owner: Owner): string | undefined {
    return this.credentials.get(who)?.(owner);
  }

  /** Takes back all that they show. */
  async revokeAll(): Promise<void> {
    for (const body of [
      { key: 'shop' },
      { key: 'usual' },
      { tenant: 'shop', sub: 'ada' },
      { tenant: 'shop', sub: 'bob' },
      { tenant: 'bank', sub: 'ada' },
    ]) {
      const { status } = await this.rest('POST', '/admin/revoke', this.users.root, body);
      if (status !== 200) throw new Error(`the revocation was answered with ${status}`);
    }
  }

  private async links(verbs: string[]): Promise<Map<Owner, string>> {
    const made = new Map<Owner, string>();
    const owners: [Owner, string][] = [
      ['a', this.users.ada],
      ['b', this.users.bob],
      ['s', this.keys.all],
      ['o', this.users.other],
    ];
    for (const [owner, by] of owners) {
      const path = `/llm/generations/${this.ids.get(owner)}/share`;
      made.set(owner, (await this.rest('POST', path, by, { verbs })).body.token as string);
    }
    return made;
  }
}

/**
 * All cells of some principals.
 * @param owners whose generations there are; there is no link to what nobody owns, or what somebody only
 * claims to be
 */
export function cells(
  principals: (who: string) => boolean,
  owners: readonly Owner[] = Object.keys(OWNERS) as Owner[],
): [who: string, owner: Owner][] {
  const exists = (who: string, owner: Owner): boolean =>
    !['link, read', 'link, read and cancel'].includes(who) || !['n', 'c'].includes(owner);
  return Object.keys(GENERATIONS)
    .filter(principals)
    .flatMap((who) =>
      owners
        .filter((owner) => exists(who, owner))
        .map((owner): [who: string, owner: Owner] => [who, owner]),
    );
}

/** Whether that credential was taken back by {@link AccessStage.revokeAll}. */
export function isRevoked([who, owner]: [who: string, owner: Owner]): boolean {
  // A link of a backend that acts for nobody has no user to be taken back with.
  return !WITHOUT.has(who) && !(who.startsWith('link,') && owner === 's');
}
