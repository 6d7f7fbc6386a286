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
  const open = (): { sessions: Sessions; closed: string[]; close: (reason: CastError) => void } => {
    const closed: string[] = [];
    const sessions = new Sessions(new ApiKeys(loadConfig({})), new Revocations());
    return { sessions, closed, close: ({ code }) => void closed.push(code) };
  };
  const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

  it('is closed when its token is over', async () => {
    const { sessions, closed, close } = open();
    sessions.start(user(0), close);
    await soon();
    expect(closed).toEqual(['auth_expired']);
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
