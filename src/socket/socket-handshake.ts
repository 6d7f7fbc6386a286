import { Injectable } from '@nestjs/common';
import { Audit } from '../access/audit.js';
import type { Caller } from '../access/caller.js';
import { clientAddress } from '../access/client-address.js';
import { Config } from '../config/config.js';
import { Lifecycle } from '../generations/lifecycle.js';
import { Peers } from '../generations/peers.js';
import { CastError } from '../protocol/errors.js';
import type { ClientSocket } from './client-socket.js';
import { closeConnection } from './cut-connection.js';
import { SocketCallers } from './socket-caller.js';
import { SocketSessions } from './socket-sessions.js';

/** Settles, before a socket is connected, whose it is and whether it may connect. */
@Injectable()
export class SocketHandshake {
  constructor(
    private readonly callers: SocketCallers,
    private readonly sessions: SocketSessions,
    private readonly peers: Peers,
    private readonly lifecycle: Lifecycle,
    private readonly audit: Audit,
    private readonly config: Config,
  ) {}

  /** A middleware of Socket.IO. */
  async settle(socket: ClientSocket, next: (error?: Error) => void): Promise<void> {
    // Before it is connected, so that the client gets it as its id, and others find its node by it.
    Object.assign(socket, { id: this.peers.tag + socket.id });
    try {
      await this.admit(socket);
      next();
    } catch (error) {
      const refused = error instanceof CastError ? error : new CastError('internal');
      this.lifecycle.tell('refused', refused.code);
      // Before it is known who asks, there is no caller.
      const caller = socket.data.caller as Caller | undefined;
      const address = clientAddress(socket.request, this.config);
      this.audit.refused(refused, caller?.principal, { address });
      next(refusalOf(refused));
      // The refusal goes out first.
      setImmediate(() => closeConnection(socket.conn));
    }
  }

  /** @throws CastError where it may not connect */
  private async admit(socket: ClientSocket): Promise<void> {
    const caller = await this.callers.ofHandshake(socket);
    socket.data.caller = caller;
    socket.data.session = await this.sessions.open(socket, caller);
  }
}

/** Socket.IO hands `data` of a handshake's error to the client's `connect_error`. */
function refusalOf(refused: CastError): Error {
  return Object.assign(new Error(refused.message), { data: refused.refusal() });
}
