import { Injectable } from '@nestjs/common';
import { mayRead } from '../access/authorise.js';
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

  /** @throws CastError `forbidden` for the audience of a user who is not known */
  check({ principal }: Caller, audience: 'user' | undefined): void {
    if (audience === undefined) return;
    const user = ownerOf(principal);
    if (user === undefined || user.endsWith('/')) throw new CastError('forbidden', NOT_THAT_USER);
  }

  /**
   * Lets all who are to see a new generation read it, on this node and on the others: the asking socket,
   * or every socket of the caller's user that may read, and the asking one among them in any case.
   */
  show(
    generation: Generation,
    { principal }: Caller,
    asking: SocketReaders | undefined,
    audience: 'user' | undefined,
  ): void {
    if (audience === undefined) return asking?.read(generation, 0);
    for (const { data } of this.ofUsers.get(ownerOf(principal) ?? '') ?? []) {
      if (data.readers === asking || mayRead(data.caller.principal, generation))
        data.readers.read(generation, 0);
    }
    this.peers.tell('audience', [generation.owner, generation.id]);
  }

  /** The sockets that a user has here read a generation of another node: each for itself, if it may. */
  private async showUser(user: string, generationId: string): Promise<void> {
    const sockets = [...(this.ofUsers.get(user) ?? [])].filter(({ data }) =>
      mayRead(data.caller.principal, { id: generationId, owner: user }),
    );
    await Promise.all(
      sockets.map(async ({ data }) =>
        data.readers.read(await this.generations.get(generationId, data.caller, 'read'), 0),
      ),
    );
  }
}
