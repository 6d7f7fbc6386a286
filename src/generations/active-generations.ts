import { type BeforeApplicationShutdown, Injectable, type OnModuleInit } from '@nestjs/common';
import { type Reservation, UsageLimits } from '../access/usage-limits.js';
import { CastService } from '../cast/cast.service.js';
import { Config } from '../config/config.js';
import { CastError } from '../protocol/errors.js';
import { type ActiveContext, ActiveGeneration } from './active-generation.js';
import { lastRecords, within } from './draining.js';
import type { Generation, GenerationFacts } from './generation.js';
import { type Life, Lifecycle } from './lifecycle.js';
import { Durations } from './line/durations.js';
import { KnownPrefixes } from './line/known-prefixes.js';
import { PrefixRouting } from './line/prefix-routing.js';
import { SlotKeeper } from './line/slot-keeper.js';
import { type Orphan, Peers } from './peers.js';
import { GenerationStore, type Name } from './store/generation-store.js';
import { mostTokens } from './token-count.js';

/** Silent generations are told again at the second tick: at most 14 s after the last word. */
const REASSURE_MS = 7_000;
/**
 * How long, at the shutdown, ends may take until all nodes can know them, in milliseconds. Readers of
 * what takes longer are told no end here, and come back to another node.
 */
const LAST_ENDS_MS = 2_000;

/** The generations that this node runs: from their place in the line to their end, or to another node. */
@Injectable()
export class ActiveGenerations implements OnModuleInit, BeforeApplicationShutdown {
  private readonly active = new Map<Generation, ActiveGeneration>();
  /** Those that have a place, or are about to have one: other nodes may know of them already. */
  private readonly entering = new Set<Promise<Generation>>();
  private readonly durations = new Durations();
  private readonly context: ActiveContext;
  private reassuring: NodeJS.Timeout | undefined;
  private draining = false;

  constructor(
    private readonly cast: CastService,
    private readonly store: GenerationStore,
    private readonly slots: SlotKeeper,
    private readonly lifecycle: Lifecycle,
    private readonly usage: UsageLimits,
    private readonly peers: Peers,
    private readonly config: Config,
    known: KnownPrefixes,
  ) {
    peers.onOrphan((life) => this.adopt(life));
    for (const listener of [store, this.durations]) lifecycle.listen(listener);
    const hasChoice = cast.upstreams.length > 1 && config.ROUTE_BY_PREFIX;
    const routing = hasChoice ? new PrefixRouting(cast.upstreams, known) : undefined;
    if (routing !== undefined) lifecycle.listen(routing);
    this.context = {
      cast,
      config,
      slots,
      durations: this.durations,
      routing,
      lifecycle,
      store,
      usage,
      peers,
      handOver: (active) => this.handOver(active),
      forget: (generation) => void this.active.delete(generation),
    };
  }

  onModuleInit(): void {
    this.reassuring = setInterval(() => {
      for (const { running } of this.active.values()) running.reassure();
    }, REASSURE_MS).unref();
    this.cast.onChange(() => {
      for (const { attempts } of this.active.values()) attempts.failWithoutUpstream();
      void this.slots.dispatch();
    });
  }

  /** False once the server goes down. */
  get accepting(): boolean {
    return !this.draining;
  }

  /** All that have not ended. */
  all(): Life[] {
    return [...this.active.values()].map(({ life }) => life);
  }

  /** How long a generation of this model holds its slot, in milliseconds; undefined for a new model. */
  turnMs(model: string): number | undefined {
    return this.durations.of(model);
  }

  /**
   * Begins a generation: with a slot, or with a place in the line.
   * @param facts of a new one; or one that another node accepted
   * @throws CastError `queue_full`, `rate_limited`, `store_unavailable`, `shutting_down`
   */
  async enter(
    facts: GenerationFacts | Generation,
    asked: Omit<Orphan, 'generation'>,
    reservation: Reservation | undefined,
    name?: Name,
  ): Promise<Generation> {
    if (this.draining) throw new CastError('shutting_down');
    const entering = this.begin(
      new ActiveGeneration(facts, asked, reservation, this.context),
      name,
    );
    this.entering.add(entering);
    try {
      return await entering;
    } finally {
      this.entering.delete(entering);
    }
  }

  private async begin(active: ActiveGeneration, name: Name | undefined): Promise<Generation> {
    const { life, running, attempts } = active;
    const { generation } = life;
    try {
      generation.waited = await attempts.enter();
      await this.store.add(life, name);
    } catch (error) {
      attempts.discard();
      throw error;
    }
    this.active.set(generation, active);
    this.lifecycle.tell('accepted', life);
    // It may have been cancelled while it was on its way to its place.
    running.drive();
    attempts.begin();
    await sent();
    return generation;
  }

  /**
   * Takes nothing new, gives what has not begun to another node, or ends what waits where there is none;
   * lets what runs go on for `DRAIN_MS`, interrupts the rest and lets readers fetch their last records:
   * as long as they take some, for what is left of `DRAIN_MS`.
   */
  async beforeApplicationShutdown(): Promise<void> {
    this.draining = true;
    const drainedAt = performance.now() + this.config.DRAIN_MS;
    await within(this.config.DRAIN_MS, Promise.allSettled(this.entering));
    const ended = Promise.all([...this.active.values()].map((active) => this.drained(active)));
    await within(drainedAt - performance.now(), ended);
    const interrupted = [...this.active.values()].map(({ running }) => running.interrupt());
    await within(LAST_ENDS_MS, Promise.all(interrupted));
    await lastRecords(this.store, drainedAt);
    clearInterval(this.reassuring);
  }

  /** Resolves when it has ended, or goes on elsewhere. */
  private async drained(active: ActiveGeneration): Promise<void> {
    const { running } = active;
    const { generation } = active.life;
    if (this.peers.isAlone) {
      if (generation.state === 'queued') void running.interrupt();
    } else if (!running.hasBegun && (await this.handOver(active))) return;
    await generation.ended;
  }

  /** @returns whether it goes on at another node, as nothing was said of it here */
  private async handOver({ life, running }: ActiveGeneration): Promise<boolean> {
    if (!(await running.leave())) return false;
    if (await this.peers.handOver(life)) {
      this.active.delete(life.generation);
      return true;
    }
    void running.stay();
    return false;
  }

  /**
   * Goes on with a request that another node accepted and did not begin.
   * @throws CastError `shutting_down`, `store_unavailable`
   */
  private async adopt({ generation, ...asked }: Orphan): Promise<void> {
    if (this.draining) throw new CastError('shutting_down');
    const { request, caller } = asked;
    const reservation = this.usage.resume(caller.principal, mostTokens(request));
    await this.enter(generation, asked, reservation);
  }
}

/**
 * What was asked of an upstream in this turn of the event loop is on its way: axios sends it some
 * promises later, Node's HTTP client a tick after those. What the caller is told is not made before.
 */
function sent(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
