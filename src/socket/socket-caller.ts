import { Injectable } from '@nestjs/common';
import type { Socket } from 'socket.io';
import { callerAs, turnOf } from '../access/acting.js';
import { networkOf } from '../access/address.js';
import { AddressLimits } from '../access/address-limits.js';
import { Audit } from '../access/audit.js';
import { Authentication } from '../access/authentication.js';
import { type Caller, traceOf } from '../access/caller.js';
import { clientAddress } from '../access/client-address.js';
import { claimedPrincipal, ownerOf, type Principal } from '../access/principal.js';
import { claimedUser } from '../access/user-id.js';
import { Config } from '../config/config.js';
import { CastError } from '../protocol/errors.js';

type Handshake = Socket['handshake'];

/** Finds out who asks through a socket. */
@Injectable()
export class SocketCallers {
  constructor(
    private readonly authentication: Authentication,
    private readonly addresses: AddressLimits,
    private readonly audit: Audit,
    private readonly config: Config,
  ) {}

  /**
   * The caller that a socket is: of its credential (`auth.token`, or `Authorization` of the handshake),
   * else the user it claims to be where that is believed, else nobody known.
   * @throws CastError `unauthorized`, `auth_expired`, `rate_limited`, `forbidden`, `invalid_request`
   */
  async ofHandshake({ handshake, request }: Socket): Promise<Caller> {
    const address = clientAddress(request, this.config);
    await this.addresses.handshake(address);
    const principal =
      (await this.identify(() => credentialOf(handshake), address)) ??
      claimOf(handshake, this.config);
    return {
      principal,
      turn: turnOf(principal, `address ${networkOf(address)}`),
      requestId: undefined,
      trace: traceOf(handshake.headers['traceparent']),
    };
  }

  /**
   * The same caller with a new token.
   * @throws CastError as {@link ofHandshake}; `forbidden` for the token of somebody else
   */
  async renewed(socket: Socket, caller: Caller, token: string): Promise<Caller> {
    const address = clientAddress(socket.request, this.config);
    const principal = await this.identify(() => token, address);
    const owner = ownerOf(caller.principal);
    if (principal?.kind !== 'user' || owner === undefined || ownerOf(principal) !== owner) {
      const refused = new CastError('forbidden', { message: 'This token is of somebody else.' });
      throw this.audit.refused(refused, caller.principal, { verb: 'auth', address });
    }
    return { ...caller, principal };
  }

  /** The caller as whoever holds a link. @throws CastError as {@link ofHandshake} */
  async withLink(socket: Socket, caller: Caller, token: string): Promise<Caller> {
    const address = clientAddress(socket.request, this.config);
    const principal = await this.identify(() => token, address);
    if (principal?.kind === 'link') return callerAs(caller, principal);
    this.audit.write('auth.failed', principal, { address, code: 'unauthorized' });
    throw new CastError('unauthorized');
  }

  private identify(
    shown: () => string | undefined,
    address: string,
  ): Promise<Principal | undefined> {
    return this.authentication.identify(shown, { address, requestId: undefined });
  }
}

function credentialOf({ auth, headers }: Handshake): string | undefined {
  const token: unknown = auth['token'];
  if (typeof token === 'string') return token;
  if (token !== undefined && token !== null) throw new CastError('unauthorized');
  const [, bearer] = /^bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
  return bearer;
}

function claimOf(handshake: Handshake, config: Config): Principal {
  const user = claimedUser(handshake, config);
  return user === undefined ? { kind: 'socket' } : claimedPrincipal(user);
}
