import { Injectable, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { AccessStore } from '../access/access-store.js';
import { keyOf, partsOf, type Principal } from '../access/principal.js';
import { type Revocation, Revocations, type Revoked as Target } from '../access/revocations.js';
import { Sessions } from '../access/sessions.js';
import { GenerationsService } from '../generations/generations.service.js';
import type { Generation } from '../generations/generation.js';
import type { Life } from '../generations/lifecycle.js';
import { Peers } from '../generations/peers.js';
import {
  adminGeneration,
  type AdminGeneration,
  type AdminGenerations,
  type Revoked,
  revokedHere,
  type RevokedHere,
} from '../protocol/access.js';
import { CastError } from '../protocol/errors.js';

/** Of so many revocations, the last ones, is known what came of them here. */
const MOST_KNOWN = 100;

/** What an operator does, on all nodes. */
@Injectable()
export class Administration implements OnModuleInit {
  private readonly revoked = new Map<string, Promise<RevokedHere>>();

  constructor(
    private readonly generations: GenerationsService,
    private readonly revocations: Revocations,
    private readonly sessions: Sessions,
    private readonly store: AccessStore,
    private readonly peers: Peers,
  ) {}

  onModuleInit(): void {
    this.store.onRevoked((revocation) => void this.revokeHere(revocation));
    this.peers.on('revoke', (message) => this.revokeHere(message as Revocation));
    this.peers.on('list', () => this.listHere());
  }

  /** What waits and runs. */
  async list(): Promise<AdminGenerations> {
    const { answers, silent } = await this.peers.askAll('list', null);
    const others = answers.flatMap((answer) => z.array(adminGeneration).parse(answer));
    return { generations: [...this.listHere(), ...others], ...missing(silent) };
  }

  /** Cancels one, whosever it is. @throws CastError `generation_not_found`, also where it has ended */
  async cancel(id: string): Promise<void> {
    const generation = await this.generations.anyone(id);
    await generation.cancel('admin');
  }

  /**
   * Takes back credentials: here at once, then on all other nodes.
   * @param before what was issued up to that second (since 1970)
   * @throws CastError `store_unavailable` where it holds only here for now
   */
  async revoke(target: Target, before: number, cancel: boolean): Promise<Revoked> {
    const revocation = { target, before, cancel, at: Date.now() };
    const here = await this.revokeHere(revocation);
    try {
      await this.store.keep(revocation);
    } catch (error) {
      throw error instanceof CastError ? new CastError(error.code, ONLY_HERE) : error;
    }
    const { answers, silent } = await this.peers.askAll('revoke', revocation);
    const all = [here, ...answers.map((answer) => revokedHere.parse(answer))];
    return {
      closed: sum(all.map(({ closed }) => closed)),
      cancelled: sum(all.map(({ cancelled }) => cancelled)),
      ...missing(silent),
    };
  }

  /** Once: the store may have told of it before the node that asks, which wants to know what came of it. */
  private revokeHere(revocation: Revocation): Promise<RevokedHere> {
    const { target, before, cancel, at } = revocation;
    const name = JSON.stringify([target, before, cancel, at]);
    const revoked = this.revoked.get(name) ?? this.revokeNow(revocation);
    this.revoked.set(name, revoked);
    const [oldest] = this.revoked.keys();
    if (this.revoked.size > MOST_KNOWN && oldest !== undefined) this.revoked.delete(oldest);
    return revoked;
  }

  private async revokeNow({ target, before, cancel, at }: Revocation): Promise<RevokedHere> {
    this.revocations.add(target, before);
    const closed = this.sessions.closeRevoked();
    if (!cancel) return { closed, cancelled: 0 };
    const theirs = this.generations
      .all()
      .filter(({ caller, generation }) => isMeant(target, caller.principal, generation, at));
    await Promise.all(theirs.map(({ generation }) => generation.cancel('admin')));
    return { closed, cancelled: theirs.length };
  }

  private listHere(): AdminGeneration[] {
    return this.generations.all().map(viewOf);
  }
}

function viewOf({ generation }: Life): AdminGeneration {
  return {
    generationId: generation.id,
    state: generation.state,
    model: generation.model,
    ...(generation.owner !== undefined && partsOf(generation.owner)),
    seq: generation.log.seq,
  };
}

/** Whether what runs was asked for by, or for, who is meant, when that was revoked. */
function isMeant(
  target: Target,
  principal: Principal,
  { createdAt }: Generation,
  at: number,
): boolean {
  if (createdAt > at) return false;
  if ('key' in target) return keyOf(principal) === target.key;
  if ('jti' in target) return principal.kind === 'user' && principal.token?.id === target.jti;
  if (principal.kind !== 'user' && principal.kind !== 'key') return false;
  const user = principal.kind === 'user' ? principal.sub : principal.userId;
  return principal.tenant === target.tenant && user === target.sub;
}

function missing(silent: readonly string[]): { missing?: string[] } {
  return silent.length === 0 ? {} : { missing: [...silent] };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}

const ONLY_HERE = {
  message:
    'It is taken back on this node; Redis cannot be reached, and the others are told when it can.',
};
