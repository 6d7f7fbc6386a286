import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { CastError } from '../../protocol/errors.js';
import type { StreamState } from '../../protocol/stream-state.js';
import { ActiveOfUsers } from './active-of-users.js';
import type { Generation } from '../generation.js';
import { IdempotencyKeys } from './idempotency.js';
import { KeptGenerations, type KeptMemory } from './kept-generations.js';
import type { Life } from '../lifecycle.js';
import { type Claim, GenerationStore, type Name } from './generation-store.js';
import { Names } from './names.js';

/** The generations of this node, and of no other. */
@Injectable()
export class MemoryStore extends GenerationStore {
  private readonly keys = new IdempotencyKeys();
  private readonly names = new Names();
  private readonly kept: KeptGenerations;
  private readonly ofUsers = new ActiveOfUsers();

  constructor(config: Config) {
    super();
    this.kept = new KeptGenerations(config, this.keys, this.names);
  }

  /** 122 random bits: whoever knows the id of nobody's generation may read the answer. */
  newId(): string {
    // Node keeps a store of UUIDs: 16 new random bytes cost as much as a fiftieth of a start.
    return Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url');
  }

  keyed({ key, user, asked }: Claim): string | undefined {
    return this.keys.find(key, user, asked);
  }

  claim(claim: Claim, id: string): string {
    const known = this.keyed(claim);
    if (known === undefined) this.keys.remember(claim.key, claim.user, claim.asked, id);
    return known ?? id;
  }

  unclaim(id: string): void {
    this.keys.forget(id);
  }

  release(id: string): void {
    this.keys.forget(id);
  }

  add(life: Life, name?: Name): void {
    this.kept.add(life);
    if (name !== undefined) this.names.give(name, life.generation.id);
    this.ofUsers.add(life.generation);
  }

  /** It runs on another node from now on. */
  remove(life: Life): void {
    this.kept.remove(life);
    this.ofUsers.remove(life.generation);
  }

  named(name: Name): string {
    const id = this.names.find(name);
    if (id === undefined) throw new CastError('generation_not_found');
    return id;
  }

  find(id: string): Generation {
    return this.kept.get(id);
  }

  /** Whether it is one of this node. */
  has(id: string): boolean {
    return this.kept.has(id);
  }

  activeOf(user: string): StreamState[] {
    return this.ofUsers.of(user).map(({ status }) => status);
  }

  ended(life: Life): void {
    this.kept.end(life);
    this.ofUsers.remove(life.generation);
  }

  grow(bytes: number): void {
    this.kept.grow(bytes);
  }

  held(): Iterable<Generation> {
    return this.kept.held();
  }

  get memory(): KeptMemory {
    return this.kept.memory;
  }

  get isFull(): boolean {
    return this.kept.isFull;
  }

  get behind(): number {
    return this.kept.behind;
  }
}
