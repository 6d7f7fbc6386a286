import type { SocketOptions } from 'socket.io-client';
import { SECRET, tokenOf } from './credentials.js';

/**
 * With `SHORT_TOKENS` a suite that knows nothing of credentials runs at a server that wants them, with
 * tokens that are over in two seconds.
 */
export const HAS_SHORT_TOKENS = process.env['SHORT_TOKENS'] !== undefined;

/** The server lets clocks differ by five seconds: two are left. */
const OVER_IN_S = 2 - 5;
/** How often an open socket gets a new one, in milliseconds. */
const RENEW_MS = 700;

/** What the server's environment has besides. */
export const TOKEN_ENV: Record<string, string | number> = HAS_SHORT_TOKENS
  ? {
      JWT_SECRET: SECRET,
      LIMIT_STARTS_PER_MINUTE: 0,
      LIMIT_RUNNING: 0,
      LIMIT_WAITING: 0,
      LIMIT_SOCKETS: 0,
      LIMIT_JOINS_PER_10S: 0,
      LIMIT_HANDSHAKES_PER_10S: 0,
      LIMIT_SOCKETS_PER_ADDRESS: 0,
    }
  : {};

const NOBODY = 'nobody-known';

/** What a REST call shows. */
export async function shortBearer(): Promise<Record<string, string>> {
  return HAS_SHORT_TOKENS
    ? { authorization: `Bearer ${await tokenOf(NOBODY, undefined, OVER_IN_S)}` }
    : {};
}

/** What a socket shows at each handshake, in place of who it says it is. */
export function shortAuth(said?: SocketOptions['auth']): Pick<SocketOptions, 'auth'> {
  if (!HAS_SHORT_TOKENS) return said === undefined ? {} : { auth: said };
  return { auth: (give: (auth: object) => void) => void shortToken(said).then(give) };
}

/** Renews the token of an open socket again and again. @returns to be called when it is closed */
export function keepRenewing(
  socket: { connected: boolean; emit(event: string, request: object): unknown },
  said?: SocketOptions['auth'],
): () => void {
  if (!HAS_SHORT_TOKENS) return () => undefined;
  const timer = setInterval(() => {
    void shortToken(said).then((auth) => socket.connected && socket.emit('auth', auth));
  }, RENEW_MS);
  return () => clearInterval(timer);
}

/** What `llm-cast-client` is given: it replaces a token at half of its time. */
export const shortTokenSource = HAS_SHORT_TOKENS
  ? { token: () => tokenOf(NOBODY, undefined, 2) }
  : undefined;

async function shortToken(said: SocketOptions['auth']): Promise<{ token: string }> {
  const user = typeof said === 'object' ? (said as { userId?: unknown }).userId : undefined;
  const sub = typeof user === 'string' ? user : NOBODY;
  return { token: await tokenOf(sub, undefined, OVER_IN_S) };
}
