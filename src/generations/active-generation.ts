import type { Reservation, UsageLimits } from '../access/usage-limits.js';
import type { CastService } from '../cast/cast.service.js';
import type { Config } from '../config/config.js';
import { upstreamSecrets } from '../config/upstream-secrets.js';
import { Attempts, type AttemptsContext } from './attempts.js';
import type { Generation, GenerationFacts } from './generation.js';
import type { Life } from './lifecycle.js';
import type { EndEntry } from './log/entry.js';
import type { DoorName } from './log/reader.js';
import type { Orphan, Peers } from './peers.js';
import { privateTextsOf } from './private-texts.js';
import { shown } from './redact.js';
import { Running, type RunningEvents } from './running.js';
import type { GenerationStore } from './store/generation-store.js';
import { usedTokens } from './token-count.js';

/** A pull may take hours; its upstream's silence ends it earlier. */
const PULL_TIMEOUT_MS = 86_400_000;

/** What all generations of a node share. */
export interface ActiveContext extends AttemptsContext {
  readonly cast: CastService;
  readonly config: Config;
  readonly store: Pick<GenerationStore, 'grow' | 'release'>;
  readonly usage: Pick<UsageLimits, 'lineAccounts'>;
  readonly peers: Pick<Peers, 'confirm' | 'seal'>;
  /** @returns whether it goes on at another node, as nothing was said of it here */
  handOver(active: ActiveGeneration): Promise<boolean>;
  /** It has ended; nothing holds its request any more, which may be large. */
  forget(generation: Generation): void;
}

/** A generation that this node runs: all that drives it, and what is done when something happens to it. */
export class ActiveGeneration implements RunningEvents {
  readonly life: Life;
  readonly running: Running;
  readonly attempts: Attempts;

  /** Nothing is begun yet. @param facts of a new one; or one that another node accepted */
  constructor(
    facts: GenerationFacts | Generation,
    { request, caller, keep }: Omit<Orphan, 'generation'>,
    private readonly reservation: Reservation | undefined,
    private readonly context: ActiveContext,
  ) {
    const { config, cast, usage } = context;
    const limits = {
      keep,
      timeoutMs: request.endpoint === 'pull' ? PULL_TIMEOUT_MS : config.GENERATION_TIMEOUT_MS,
      maxOutputBytes: config.MAX_OUTPUT_BYTES,
      queueTimeoutMs: config.QUEUE_TIMEOUT_MS,
      abandonAfterMs: config.ABANDON_AFTER_MS,
    };
    this.running = new Running(facts, limits, this, cast.cadence);
    const { generation } = this.running;
    this.life = { generation, request, caller, keep, trace: caller.trace };
    const accounts = usage.lineAccounts(caller.principal);
    this.attempts = new Attempts(this.life, this.running, context, accounts);
  }

  onGrow(bytes: number): void {
    this.context.store.grow(bytes);
  }

  onFirst(): void {
    this.context.lifecycle.tell('first', this.life);
  }

  onDelivered(door: DoorName, lagMs: number): void {
    this.context.lifecycle.tell('delivered', door, lagMs);
  }

  confirm(): Promise<void> | undefined {
    return this.context.peers.confirm(this.life.generation.id);
  }

  seal(end: EndEntry): Promise<void> | undefined {
    return this.context.peers.seal(this.life, end);
  }

  async onTaken(): Promise<void> {
    if (!(await this.context.handOver(this))) return;
    // A node that goes on with it settles what was reserved; one that has ended it knows nothing of that.
    const { said } = await this.life.generation.ended;
    if ('code' in said && said.code === 'node_lost') void this.reservation?.cancel();
  }

  onGivenUp(): void {
    void this.context.store.release(this.life.generation.id);
  }

  reasonOf(said: string): string | undefined {
    return shown(said, [...privateTextsOf(this.life), ...upstreamSecrets(this.context.config)]);
  }

  onEnd(end: EndEntry): void {
    this.context.forget(this.life.generation);
    this.attempts.stop();
    void this.reservation?.settle(usedTokens(this.life));
    this.context.lifecycle.tell('ended', this.life, end, this.running.failure);
  }
}
