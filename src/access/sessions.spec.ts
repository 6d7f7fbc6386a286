import { loadConfig } from '../config/load.js';
import type { CastError } from '../protocol/errors.js';
import { ApiKeys } from './api-keys.js';
import type { UserPrincipal } from './principal.js';
import { Revocations } from './revocations.js';
import { Sessions } from './sessions.js';

/** @param expiresAt of their token, in seconds since 1970 */
const user = (expiresAt: number): UserPrincipal => ({
  kind: 'user',
  tenant: 'shop',
  sub: 'ada',
  scopes: ['read'],
  limits: {},
  token: { id: undefined, issuedAt: 0, expiresAt },
});
const inAnHour = (): number => Math.floor(Date.now() / 1000) + 3_600;

describe('a session', () => {
  const open = () => {
    const closed: string[] = [];
    const revocations = new Revocations();
    const sessions = new Sessions(new ApiKeys(loadConfig({})), revocations);
    const close = ({ code }: CastError): void => void closed.push(code);
    return { sessions, revocations, closed, close };
  };
  const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

  it('is closed when its token is over', async () => {
    const { sessions, closed, close } = open();
    sessions.start(user(0), close);
    await soon();
    expect(closed).toEqual(['auth_expired']);
  });

  it('is closed where its credential was taken back since it was looked at', async () => {
    const { sessions, revocations, closed, close } = open();
    revocations.add({ tenant: 'shop', sub: 'ada' }, 1);
    sessions.start(user(inAnHour()), close);
    expect(closed).toEqual([]);
    await soon();
    expect(closed).toEqual(['unauthorized']);
  });

  it('that has ended is not watched any more, though a new token was on its way', async () => {
    const { sessions, closed, close } = open();
    const session = sessions.start(user(inAnHour()), close);
    session.end();
    session.renew(user(0));
    await soon();
    expect(closed).toEqual([]);
  });
});
