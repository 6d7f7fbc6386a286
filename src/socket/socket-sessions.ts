import { Injectable } from '@nestjs/common';
import type { Caller } from '../access/caller.js';
import { AddressLimits } from '../access/address-limits.js';
import { clientAddress } from '../access/client-address.js';
import type { Principal } from '../access/principal.js';
import { type Session, Sessions } from '../access/sessions.js';
import { UsageLimits } from '../access/usage-limits.js';
import { Config } from '../config/config.js';
import { CastError } from '../protocol/errors.js';
import { closeConnection } from './cut-connection.js';
import type { ClientSocket } from './client-socket.js';

/** The session of a socket: while it is open the socket counts. */
export class SocketSession {
  private hasEnded = false;

  constructor(
    private readonly session: Session,
    private readonly leaveUser: () => void,
    private readonly leaveAddress: () => void,
  ) {}

  /** See {@link Session.renew}. */
  renew(principal: Principal): void {
    this.session.renew(principal);
  }

  /** The first call counts. */
  end(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.session.end();
    this.leaveUser();
    this.leaveAddress();
  }
}

/** Sockets as long as their credential lasts: counted, and closed when it is over. */
@Injectable()
export class SocketSessions {
  constructor(
    private readonly sessions: Sessions,
    private readonly usage: UsageLimits,
    private readonly addresses: AddressLimits,
    private readonly config: Config,
  ) {}

  /**
   * Opens the session of a socket.
   * @returns its session, which ends with the socket
   * @throws CastError `rate_limited` where its user or its address has too many; `client_not_found` where
   * it has gone in the meantime
   */
  async open(socket: ClientSocket, { principal }: Caller): Promise<SocketSession> {
    const address = clientAddress(socket.request, this.config);
    const leaveAddress = await this.addresses.openSocket(address);
    let leaveUser = (): void => undefined;
    try {
      leaveUser = await this.usage.openSocket(principal);
      // In the meantime it may have gone: then nothing would end its session.
      if (socket.conn.readyState !== 'open') throw new CastError('client_not_found');
      if (this.sessions.isRevoked(principal)) throw new CastError('unauthorized');
    } catch (error) {
      leaveUser();
      leaveAddress();
      throw error;
    }
    const started = this.sessions.start(principal, (reason) => closeSocket(socket, reason));
    const session = new SocketSession(started, leaveUser, leaveAddress);
    // A connection that goes before its socket is there never tells of a disconnect.
    socket.conn.on('close', () => session.end());
    return session;
  }

  /** A socket reads with a link: when that is over, it stops reading that generation. */
  openLink({ data }: ClientSocket, caller: Caller, generationId: string): void {
    const session = this.sessions.start(caller.principal, () => {
      data.readers.leave(generationId);
      data.links?.delete(generationId);
    });
    data.links ??= new Map();
    data.links.set(generationId, { caller, session });
  }

  /** It reads that generation with a link no longer. */
  endLink({ data }: ClientSocket, generationId: string): void {
    data.links?.get(generationId)?.session.end();
    data.links?.delete(generationId);
  }
}

/** Says why, and closes the connection; what it reads goes on without it. */
function closeSocket(socket: ClientSocket, reason: CastError): void {
  socket.emit('exception', reason.refusal());
  socket.data.readers.close();
  closeConnection(socket.conn);
}
