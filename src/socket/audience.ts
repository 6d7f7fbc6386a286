import { Injectable } from '@nestjs/common';
import type { Caller } from '../access/caller.js';
import { ownerOf } from '../access/principal.js';
import type { Generation } from '../generations/generation.js';
import { GenerationsService } from '../generations/generations.service.js';
import { Peers } from '../generations/peers.js';
import { CastError } from '../protocol/errors.js';
import type { ClientSocket } from './client-socket.js';
import type { SocketReaders } from './socket-readers.js';

const NOT_THAT_USER = {
  message: 'It is not known which user this is; see auth.token and auth.userId.',
};

/** The connected sockets of each known user, and which of them read a new generation. */
@Injectable()
export class Audience {
  private readonly ofUsers = new Map<string, Set<ClientSocket>>();

  constructor(
    private readonly generations: GenerationsService,
    private readonly peers: Peers,
  ) {
    peers.on('audience', (message) => this.showUser(...(message as [string, string])));
  }

  /** A socket is connected. */
  add(socket: ClientSocket): void {
    const user = ownerOf(socket.data.caller.principal);
    if (user === undefined) return;
    const sockets = this.ofUsers.get(user) ?? new Set();
    this.ofUsers.set(user, sockets.add(socket));
  }

  /** A socket is gone. */
  delete(socket: ClientSocket): void {
    const user = ownerOf(socket.data.caller.principal);
    if (user === undefined) return;
    const sockets = this.ofUsers.get(user);
    sockets?.delete(socket);
    if (sockets?.size === 0) this.ofUsers.delete(user);
  }

  /**
   * What the records of a request go to now: the asking socket, or every socket of the caller's user.
   * @throws CastError `forbidden` where the user is not known
   */
  of(
    { principal }: Caller,
    own: SocketReaders | undefined,
    audience: 'user' | undefined,
  ): SocketReaders[] {
    if (audience === undefined) return own === undefined ? [] : [own];
    const user = ownerOf(principal);
    if (user === undefined || user.endsWith('/')) throw new CastError('forbidden', NOT_THAT_USER);
    return [...(this.ofUsers.get(user) ?? [])].map(({ data }) => data.readers);
  }

  /** Lets all who are to see a new generation read it: on this node, and on the others. */
  show(
    generation: Generation,
    caller: Caller,
    asking: SocketReaders | undefined,
    audience: 'user' | undefined,
  ): void {
    for (const readers of this.of(caller, asking, audience)) readers.read(generation, 0);
    if (audience === 'user') this.peers.tell('audience', [generation.owner, generation.id]);
  }

  /** The sockets that a user has here read a generation of another node: each for itself, if it may. */
  private async showUser(user: string, generationId: string): Promise<void> {
    const sockets = [...(this.ofUsers.get(user) ?? [])];
    await Promise.all(
      sockets.map(async ({ data }) =>
        data.readers.read(await this.generations.get(generationId, data.caller, 'read'), 0),
      ),
    );
  }
}
