import type { Config } from '../../config/config.js';
import { CastError } from '../../protocol/errors.js';
import { sizeOf } from '../asked.js';
import type { Generation } from '../generation.js';
import type { IdempotencyKeys } from './idempotency.js';
import type { Life } from '../lifecycle.js';
import { LOG_BYTES } from '../log/generation-log.js';
import type { Names } from './names.js';

/** What is kept: bytes of memory, about, and how many ended logs were let go of since the start. */
export interface KeptMemory {
  readonly bytes: number;
  /** Because `RETAIN_MS` was over, or because others needed the room. */
  readonly evicted: Readonly<Record<'age' | 'room', number>>;
}

/**
 * All generations that can be asked for: those that go on, and ended ones for `RETAIN_MS`, as long
 * as all logs fit into `MAX_LOG_BYTES`; over it the oldest ended ones go first. Their idempotency
 * keys expire with them, so that no key is known whose generation has just expired.
 */
export class KeptGenerations {
  private readonly byId = new Map<string, Generation>();
  /** Those that have ended, in that order, and the timer to clear where one has to make room. */
  private readonly retained = new Map<Generation, NodeJS.Timeout | undefined>();
  private bytes = 0;
  private readonly evicted = { age: 0, room: 0 };

  constructor(
    private readonly config: Pick<Config, 'RETAIN_MS' | 'MAX_LOG_BYTES'>,
    private readonly keys: IdempotencyKeys,
    private readonly names: Names,
  ) {}

  /** @throws CastError `generation_not_found` */
  get(id: string): Generation {
    const generation = this.byId.get(id);
    if (generation === undefined) throw new CastError('generation_not_found');
    return generation;
  }

  /** How many entries readers have not yet been given, in all. */
  get behind(): number {
    let behind = 0;
    for (const { log } of this.byId.values()) behind += log.behind;
    return behind;
  }

  get memory(): KeptMemory {
    return { bytes: this.bytes, evicted: this.evicted };
  }

  held(): Iterable<Generation> {
    return this.byId.values();
  }

  /** Whether running generations alone fill the memory. */
  get isFull(): boolean {
    return this.bytes > this.config.MAX_LOG_BYTES;
  }

  /** A log takes so many bytes more. */
  grow(bytes: number): void {
    this.bytes += bytes;
    if (this.isFull) this.makeRoom();
  }

  has(id: string): boolean {
    return this.byId.has(id);
  }

  add({ generation, request }: Life): void {
    this.byId.set(generation.id, generation);
    this.grow(LOG_BYTES + sizeOf(request) + sizeOf(generation.note));
  }

  /** It is not of this node. */
  remove({ generation, request }: Life): void {
    if (!this.byId.delete(generation.id)) return;
    this.names.forget(generation.id);
    this.bytes -= LOG_BYTES + generation.log.size + sizeOf(request) + sizeOf(generation.note);
  }

  /** From now on it is kept only for a while, and its request not at all. */
  end({ generation, request }: Life): void {
    const { id } = generation;
    this.bytes -= sizeOf(request);
    // By its id, so that the timer keeps no log in memory that had to make room.
    const timer = setTimeout(() => this.expire(id), this.config.RETAIN_MS).unref();
    // The key is remembered as long, even where the log has to make room before.
    this.retained.set(generation, this.keys.has(id) ? undefined : timer);
    if (this.isFull) this.makeRoom();
  }

  private makeRoom(): void {
    for (const generation of this.retained.keys()) {
      if (!this.isFull) return;
      this.forget(generation, 'room');
    }
  }

  private expire(id: string): void {
    const generation = this.byId.get(id);
    if (generation !== undefined) this.forget(generation, 'age');
    this.keys.forget(id);
  }

  private forget(generation: Generation, why: 'age' | 'room'): void {
    this.evicted[why]++;
    clearTimeout(this.retained.get(generation));
    this.retained.delete(generation);
    this.byId.delete(generation.id);
    this.names.forget(generation.id);
    // A slow reader may still hold the log: its memory is free when the last one has left.
    const size = LOG_BYTES + sizeOf(generation.note);
    generation.log.onceUnread(() => (this.bytes -= size + generation.log.size));
  }
}
