import type { Socket } from 'socket.io';
import type { Config } from '../config/config.js';
import { isLoopback } from '../config/loopback.js';
import { CastError } from '../protocol/errors.js';
import { isProxied } from './proxy-headers.js';

/** Most characters of a user id. */
const USER_ID_CHARS = 128;

/**
 * The user that a socket says it is of: `auth.userId` of the handshake, or undefined where none was given. What a
 * client says of itself is believed only where everybody who can connect may be believed: on this
 * machine, and not through a proxy, or where the operator says so.
 * @throws CastError `forbidden` where it is not; `invalid_request` for something that is no id
 */
export function claimedUser(handshake: Socket['handshake'], config: Config): string | undefined {
  const said: unknown = handshake.auth['userId'];
  if (said === undefined || said === null) return undefined;
  const isLocal = isLoopback(config.HOST) && !isProxied(handshake.headers);
  if (!isLocal && !config.TRUST_CLIENT_USER_ID) throw new CastError('forbidden');
  if (typeof said !== 'string' || said === '' || said.length > USER_ID_CHARS) {
    throw new CastError('invalid_request', {
      details: [{ path: 'auth.userId', message: `a string of 1 to ${USER_ID_CHARS} characters` }],
    });
  }
  return said;
}
