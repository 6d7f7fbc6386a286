import type { Config } from '../config/config.js';
import { CastError } from '../protocol/errors.js';
import { LOG_BYTES } from './log/generation-log.js';
import type { Generation } from './generation.js';

/**
 * All generations that can be asked for: those that go on, and ended ones for `RETAIN_MS`, as long as
 * all logs fit into `MAX_LOG_BYTES`; over it the oldest ended ones go first.
 */
export class KeptGenerations {
  private readonly byId = new Map<string, Generation>();
  /** Those that have ended, in that order, and the timer to clear where one has to make room. */
  private readonly ended = new Map<Generation, NodeJS.Timeout | undefined>();
  private bytes = 0;

  /** @param onExpiry told, `RETAIN_MS` after its end, of each that is kept until then, or keyed */
  constructor(
    private readonly config: Pick<Config, 'RETAIN_MS' | 'MAX_LOG_BYTES'>,
    private readonly onExpiry: (generationId: string) => void,
  ) {}

  /** @throws CastError `generation_not_found` */
  get(id: string): Generation {
    const generation = this.byId.get(id);
    if (generation === undefined) throw new CastError('generation_not_found');
    return generation;
  }

  /** Whether some reader has not yet been given every record. */
  get hasReadersBehind(): boolean {
    for (const { log } of this.byId.values()) if (log.hasReadersBehind) return true;
    return false;
  }

  /** Whether running generations alone fill the memory. */
  get isFull(): boolean {
    return this.bytes > this.config.MAX_LOG_BYTES;
  }

  add(generation: Generation): void {
    this.byId.set(generation.id, generation);
    this.grow(LOG_BYTES);
  }

  /** A log takes so many bytes more. */
  grow(bytes: number): void {
    this.bytes += bytes;
    if (this.isFull) this.makeRoom();
  }

  /**
   * From now on it is kept only for a while.
   * @param isKeyed an idempotency key stands for it: `onExpiry` is told even if it has to make room
   */
  end(generation: Generation, isKeyed: boolean): void {
    const { id } = generation;
    // By its id, so that the timer keeps no log in memory that had to make room.
    const timer = setTimeout(() => this.expire(id), this.config.RETAIN_MS).unref();
    this.ended.set(generation, isKeyed ? undefined : timer);
    if (this.isFull) this.makeRoom();
  }

  private makeRoom(): void {
    for (const generation of this.ended.keys()) {
      if (!this.isFull) return;
      this.forget(generation);
    }
  }

  private expire(id: string): void {
    const generation = this.byId.get(id);
    if (generation !== undefined) this.forget(generation);
    this.onExpiry(id);
  }

  private forget(generation: Generation): void {
    clearTimeout(this.ended.get(generation));
    this.ended.delete(generation);
    this.byId.delete(generation.id);
    this.bytes -= LOG_BYTES + generation.log.size;
  }
}
