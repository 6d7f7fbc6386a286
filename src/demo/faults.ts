import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type OnGatewayInit, WebSocketGateway } from '@nestjs/websockets';
import { CastError } from '../protocol/errors.js';
import type { Clients, ClientSocket } from '../socket/client-socket.js';
import type { FaultRequest } from './fault-request.js';
import { FaultProxy, type ProxiedConnection } from './fault-proxy.js';

/** How long a fault lasts. Less than `SLOW_READER_MS`, which would make a cut of a stall. */
export const FAULT_MS = 10_000;

/** A connection of Engine.IO: one WebSocket, or the requests of one polling client. */
type Session = ClientSocket['conn'];
type Harm = (connection: ProxiedConnection) => void;

/** Does to a client of this server what bad networks do, at the proxy in front of it. */
@WebSocketGateway({ namespace: 'events' })
export class Faults implements OnGatewayInit<Clients> {
  private clients!: Clients;
  /** The session that spoke last on a connection: a polling client has several, one after another. */
  private readonly sessions = new WeakMap<ProxiedConnection, string>();
  /** What befalls the connections of a session, by its id; those that it opens meanwhile, too. */
  private readonly harms = new Map<string, Harm>();

  constructor(private readonly proxy: FaultProxy) {}

  afterInit(clients: Clients): void {
    this.clients = clients;
    clients.server.engine.use(
      (request: IncomingMessage, _response: unknown, next: () => void): void => {
        this.note(request);
        next();
      },
    );
  }

  /**
   * @returns how long it will last, in ms; 0 where it is over already
   * @throws CastError `client_not_found`
   */
  inflict({ fault, clientId }: FaultRequest): number {
    const session = this.clients.sockets.get(clientId)?.conn;
    if (session === undefined) throw new CastError('client_not_found');
    if (fault === 'cut') {
      void this.harm(session, (connection) => connection.cut());
      return 0;
    }
    void (fault === 'stall' ? this.stall(session) : this.offline());
    return FAULT_MS;
  }

  private async stall(session: Session): Promise<void> {
    const stalled: ProxiedConnection[] = [];
    await this.harm(session, (connection) => {
      connection.stall();
      stalled.push(connection);
    });
    for (const connection of stalled) connection.resume();
  }

  /** Everybody, because who connects anew has no session to be known by. */
  private async offline(): Promise<void> {
    this.proxy.refusing = true;
    this.proxy.cut();
    await sleep(FAULT_MS, undefined, { ref: false });
    this.proxy.refusing = false;
  }

  /** A polling client may be between two requests: so the next ones are harmed as well. */
  private async harm(session: Session, harm: Harm): Promise<void> {
    const id = idOf(session);
    const { remotePort } = session.request.socket;
    this.harms.set(id, harm);
    for (const connection of this.proxy.openConnections) {
      // A WebSocket without polling before has named no session in its only request.
      const isOpener = connection.sourcePort === remotePort;
      if ((this.sessions.get(connection) ?? (isOpener && id)) === id) harm(connection);
    }
    await sleep(FAULT_MS, undefined, { ref: false });
    if (this.harms.get(id) === harm) this.harms.delete(id);
  }

  private note({ url = '', socket }: IncomingMessage): void {
    const id = new URL(url, 'http://localhost').searchParams.get('sid');
    const connection = this.proxy.openConnections.find(
      ({ sourcePort }) => sourcePort === socket.remotePort,
    );
    if (id === null || connection === undefined) return;
    this.sessions.set(connection, id);
    this.harms.get(id)?.(connection);
  }
}

/** Socket.IO documents it, and its types hide it. */
const idOf = (session: Session): string => (session as unknown as { id: string }).id;
