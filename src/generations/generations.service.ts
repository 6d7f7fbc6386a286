import { type BeforeApplicationShutdown, Injectable, type OnModuleInit } from '@nestjs/common';
import type { Caller } from '../access/caller.js';
import { authorise, type GenerationVerb } from '../access/authorise.js';
import { Audit } from '../access/audit.js';
import { ownerOf } from '../access/principal.js';
import { type Reservation, UsageLimits } from '../access/usage-limits.js';
import { CastService } from '../cast/cast.service.js';
import type { ModelRequest } from '../cast/model-request.js';
import { Config } from '../config/config.js';
import { upstreamSecrets } from '../config/upstream-secrets.js';
import type { QueueView } from '../protocol/answers.js';
import { CastError } from '../protocol/errors.js';
import type { StreamState } from '../protocol/stream-state.js';
import type { Accepted } from './accepted.js';
import { type Asked, checkModel, checkModelOf, decide } from './asked.js';
import { Attempts } from './attempts.js';
import { lastRecords, within } from './draining.js';
import type { Generation, GenerationFacts } from './generation.js';
import { type Life, Lifecycle } from './lifecycle.js';
import { advised, comeBack } from './line/advice.js';
import type { DoorName } from './log/reader.js';
import { Durations } from './line/durations.js';
import { PrefixRouting } from './line/prefix-routing.js';
import { SlotKeeper } from './line/slot-keeper.js';
import { claimOf, givenName, nameOf, type Order, type Which } from './order.js';
import { type Orphan, Peers } from './peers.js';
import { privateTextsOf } from './private-texts.js';
import { shown } from './redact.js';
import { type Limits, Running } from './running.js';
import { GenerationStore, type Name } from './store/generation-store.js';
import { mostTokens, usedTokens } from './token-count.js';

/** Silent generations are told again at the second tick: at most 14 s after the last word. */
const REASSURE_MS = 7_000;
/** A pull may take hours; its upstream's silence ends it earlier. */
const PULL_TIMEOUT_MS = 86_400_000;
/** Most pulls at a time. */
const MAX_PULLS = 4;

/** A generation that has not ended, and what drives it. */
interface Active {
  readonly life: Life;
  readonly running: Running;
  readonly attempts: Attempts;
}

/**
 * Starts generations, with all decisions on model, options and limits; finds and drains them. A start,
 * a pull and what another node hands over are accepted by the same rules, and counted by the same
 * bounds; so this file is longer than others.
 */
@Injectable()
export class GenerationsService implements OnModuleInit, BeforeApplicationShutdown {
  private readonly active = new Map<Generation, Active>();
  /** Those that are on their way to a place: who asks for one of them by its key waits for it. */
  private readonly entering = new Map<string, Promise<Accepted>>();
  private readonly durations = new Durations();
  /** Of one node with several upstreams: the line that nodes share knows no conversations. */
  private readonly routing: PrefixRouting | undefined;
  private reassuring: NodeJS.Timeout | undefined;
  private draining = false;

  constructor(
    private readonly cast: CastService,
    private readonly store: GenerationStore,
    private readonly slots: SlotKeeper,
    private readonly lifecycle: Lifecycle,
    private readonly usage: UsageLimits,
    private readonly audit: Audit,
    private readonly peers: Peers,
    private readonly config: Config,
  ) {
    peers.onOrphan((life) => this.adopt(life));
    for (const listener of [store, this.durations]) lifecycle.listen(listener);
    const isShared = config.REDIS_URL !== undefined;
    if (cast.upstreams.length < 2 || isShared || !config.ROUTE_BY_PREFIX) return;
    this.routing = new PrefixRouting(cast.upstreams);
    lifecycle.listen(this.routing);
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

  /**
   * Starts what is asked, or puts it in line.
   * @param note what the door keeps with the generation; part of what an idempotency key stands for
   * @throws CastError `shutting_down`, `forbidden`, `payload_too_large`, `invalid_request`,
   * `queue_full`, `rate_limited`, `idempotency_conflict`; `generation_not_found` for a known key whose
   * log had to make room
   */
  async start(
    asked: Asked,
    caller: Caller,
    idempotencyKey?: string,
    note?: unknown,
    name?: string,
  ): Promise<Accepted> {
    try {
      return await this.accept({ asked, caller, idempotencyKey, note, name });
    } catch (error) {
      const { principal, requestId } = caller;
      throw this.audit.refused(error, principal, { verb: 'start', requestId });
    }
  }

  private async accept(order: Order & { asked: Asked }): Promise<Accepted> {
    const { asked, caller } = order;
    authorise(caller.principal, 'start');
    const known = await this.known(order);
    if (known !== undefined) return known;
    const request = decide(asked, this.config);
    checkModelOf(caller.principal, request.model);
    this.cast.check(request);
    const reservation = await this.usage.start(caller.principal, mostTokens(request));
    try {
      const accepted = await this.begin(order, request, reservation, {
        keep: asked.onDisconnect === 'keep',
        timeoutMs: this.config.GENERATION_TIMEOUT_MS,
      });
      // The same key may have come again in the meantime.
      if (accepted.deduplicated) await reservation.cancel();
      return accepted;
    } catch (error) {
      await reservation.cancel();
      throw error;
    }
  }

  /**
   * Has an Ollama pull a model. Takes no slot: it needs the network, not the GPU.
   * @throws CastError `forbidden` where the operator does not allow it; else like {@link start}
   */
  async pull(model: string, caller: Caller, idempotencyKey?: string): Promise<Accepted> {
    try {
      return await this.acceptPull(model, caller, idempotencyKey);
    } catch (error) {
      const { principal, requestId } = caller;
      throw this.audit.refused(error, principal, { verb: 'pull', requestId });
    }
  }

  private async acceptPull(
    model: string,
    caller: Caller,
    idempotencyKey: string | undefined,
  ): Promise<Accepted> {
    authorise(caller.principal, 'pull');
    if (!this.config.ALLOW_PULL) {
      throw new CastError('forbidden', { message: 'Pulling models is not allowed here.' });
    }
    const asked = { endpoint: 'pull' as const, model };
    const order = { asked, caller, idempotencyKey };
    const known = await this.known(order);
    if (known !== undefined) return known;
    checkModel(model, this.config);
    this.cast.check(asked);
    const pulls = [...this.active.values()].filter(({ life }) => life.request.endpoint === 'pull');
    if (pulls.length >= MAX_PULLS) throw comeBack('queue_full', this.durations.of(model));
    return this.begin(order, asked, undefined, { keep: false, timeoutMs: PULL_TIMEOUT_MS });
  }

  /**
   * The only way to a generation, by its id or by the name that the caller has given it: one that
   * the caller may not see is not there.
   * @throws CastError `generation_not_found`, `forbidden`
   */
  async get(which: Which, caller: Caller, verb: GenerationVerb): Promise<Generation> {
    const { principal, requestId } = caller;
    const id =
      typeof which === 'string' ? which : await this.store.named(nameOf(which.name, caller));
    const generation = await this.store.find(id);
    try {
      authorise(principal, verb, generation);
      return generation;
    } catch (error) {
      this.audit.write('denied', principal, { verb, generationId: id, requestId });
      throw error;
    }
  }

  /**
   * The generation, for a reader that has all of it up to the record `after`.
   * @throws CastError as {@link get}; `invalid_request` where there is no such record yet;
   * `rate_limited` for too many readings from the beginning
   */
  async readAfter(door: DoorName, id: string, caller: Caller, after: number): Promise<Generation> {
    try {
      const generation = await this.get(id, caller, 'read');
      if (after === 0) await this.usage.join(caller.principal);
      else await generation.checkCursor(after);
      const replayed = Math.max(0, generation.log.seq - after);
      this.lifecycle.tell('joined', door, after, 'ok', replayed);
      return generation;
    } catch (error) {
      const code = error instanceof CastError ? error.code : 'internal';
      this.lifecycle.tell('joined', door, after, code, 0);
      if (code === 'rate_limited') {
        const { principal, requestId } = caller;
        this.audit.write('limit', principal, { verb: 'read', generationId: id, requestId, code });
      }
      throw error;
    }
  }

  /** What the caller's own generations do that have not ended; none where he is not known. */
  async activeOf({ principal }: Caller): Promise<StreamState[]> {
    const user = ownerOf(principal);
    return user === undefined ? [] : this.store.activeOf(user);
  }

  /** One that has not ended, whosever it is, for operators. @throws CastError `generation_not_found` */
  async anyone(id: string): Promise<Generation> {
    const generation = await this.store.find(id);
    if (generation.log.end !== undefined) throw new CastError('generation_not_found');
    return generation;
  }

  /** All of this node that have not ended, for operators. */
  all(): Life[] {
    return [...this.active.values()].map(({ life }) => life);
  }

  /** How many run and wait. @throws CastError `store_unavailable` */
  async queue(): Promise<QueueView> {
    return this.slots.view();
  }

  /**
   * Takes nothing new, gives what has not begun to another node, or ends what waits where there is none;
   * lets what runs go on for `DRAIN_MS`, interrupts the rest and lets readers fetch their last records:
   * as long as they take some, for what is left of `DRAIN_MS`.
   */
  async beforeApplicationShutdown(): Promise<void> {
    this.draining = true;
    const drainedAt = performance.now() + this.config.DRAIN_MS;
    const ended = Promise.all([...this.active.values()].map((active) => this.drained(active)));
    await within(this.config.DRAIN_MS, ended);
    await Promise.all([...this.active.values()].map(({ running }) => running.interrupt()));
    await lastRecords(this.store, drainedAt);
    clearInterval(this.reassuring);
  }

  /** Resolves when it has ended, or goes on elsewhere. */
  private async drained({ life, running }: Active): Promise<void> {
    const { generation } = life;
    if (this.peers.isAlone) {
      if (generation.state === 'queued') void running.interrupt();
    } else if (await this.handOver(life, running)) return;
    await generation.ended;
  }

  /** @returns whether it goes on at another node, as nothing was said of it here */
  private async handOver(life: Life, running: Running): Promise<boolean> {
    if (!(await running.leave())) return false;
    if (await this.peers.handOver(life)) {
      this.active.delete(life.generation);
      return true;
    }
    void running.stay();
    return false;
  }

  /**
   * What an idempotency key stands for already: a retry gets it whatever the limits are by now.
   * @throws CastError `shutting_down` where something new would have to begin
   */
  private async known(order: Order): Promise<Accepted | undefined> {
    const claim = claimOf(order);
    const id = claim && (await this.store.keyed(claim));
    if (id !== undefined) return this.again(id);
    if (this.draining) throw new CastError('shutting_down');
    return undefined;
  }

  private async begin(
    order: Order,
    request: ModelRequest,
    reservation: Reservation | undefined,
    limits: Pick<Limits, 'keep' | 'timeoutMs'>,
  ): Promise<Accepted> {
    if (this.store.isFull) throw comeBack('queue_full', this.durations.of(request.model));
    const id = this.store.newId();
    const begun = this.beginAs(id, order, request, reservation, limits);
    this.entering.set(id, begun);
    try {
      return await begun;
    } catch (error) {
      throw advised(error, this.durations.of(request.model));
    } finally {
      this.entering.delete(id);
    }
  }

  private async beginAs(
    id: string,
    order: Order,
    request: ModelRequest,
    reservation: Reservation | undefined,
    { keep, timeoutMs }: Pick<Limits, 'keep' | 'timeoutMs'>,
  ): Promise<Accepted> {
    const { store } = this;
    const { caller } = order;
    const claim = claimOf(order);
    const claimed = claim === undefined ? id : await store.claim(claim, id);
    // Another request with the same key was faster.
    if (claimed !== id) return this.again(claimed);
    const { endpoint, model } = request;
    const owner = ownerOf(caller.principal);
    const facts = { id, endpoint, model, owner, createdAt: Date.now(), note: order.note };
    const active = this.activeFor(facts, { request, caller, keep }, reservation, timeoutMs);
    try {
      await this.enter(active, givenName(order));
    } catch (error) {
      if (claim !== undefined) void store.unclaim(claim, id);
      throw error;
    }
    const { principal, requestId } = caller;
    this.audit.write('start', principal, { generationId: id, requestId });
    return { generation: active.life.generation, deduplicated: false };
  }

  /**
   * Goes on with a request that another node accepted and did not begin.
   * @throws CastError `shutting_down`, `store_unavailable`
   */
  private async adopt({ generation, ...life }: Orphan): Promise<void> {
    if (this.draining) throw new CastError('shutting_down');
    const { request, caller } = life;
    const reservation = this.usage.resume(caller.principal, mostTokens(request));
    const isPull = request.endpoint === 'pull';
    const timeoutMs = isPull ? PULL_TIMEOUT_MS : this.config.GENERATION_TIMEOUT_MS;
    await this.enter(this.activeFor(generation, life, reservation, timeoutMs));
  }

  /** All that drives a generation; nothing is begun yet. */
  private activeFor(
    facts: GenerationFacts | Generation,
    { request, caller, keep }: Omit<Orphan, 'generation'>,
    reservation: Reservation | undefined,
    timeoutMs: number,
  ): Active {
    const { config, store, lifecycle, cast, slots, durations, routing } = this;
    const limits = {
      keep,
      timeoutMs,
      maxOutputBytes: config.MAX_OUTPUT_BYTES,
      queueTimeoutMs: config.QUEUE_TIMEOUT_MS,
      abandonAfterMs: config.ABANDON_AFTER_MS,
    };
    const running: Running = new Running(
      facts,
      limits,
      {
        onGrow: (bytes) => store.grow(bytes),
        onFirst: () => lifecycle.tell('first', life),
        onDelivered: (door, lagMs) => lifecycle.tell('delivered', door, lagMs),
        confirm: (begins) => this.peers.confirm(life.generation.id, begins),
        onTaken: async () => {
          if (await this.handOver(life, running)) void reservation?.cancel();
        },
        reasonOf: (said) => shown(said, [...privateTextsOf(life), ...upstreamSecrets(config)]),
        onEnd: (end) => {
          // From here on nothing holds the request any more: it may be large.
          this.active.delete(generation);
          attempts.stop();
          void reservation?.settle(usedTokens(life));
          lifecycle.tell('ended', life, end, running.failure);
        },
      },
      cast.cadence,
    );
    const { generation } = running;
    const life: Life = { generation, request, caller, keep, trace: caller.trace };
    const attempts = new Attempts(
      life,
      running,
      { cast, slots, durations, lifecycle, routing },
      this.usage.lineAccounts(caller.principal),
    );
    return { life, running, attempts };
  }

  /** @throws CastError `queue_full`, `rate_limited`, `store_unavailable`, `shutting_down` */
  private async enter(active: Active, name?: Name): Promise<void> {
    const { life, running, attempts } = active;
    try {
      life.generation.waited = await attempts.enter();
      await this.store.add(life, name);
      if (this.draining) {
        void this.store.remove(life);
        throw new CastError('shutting_down');
      }
    } catch (error) {
      running.discard();
      attempts.discard();
      throw error;
    }
    running.drive();
    this.active.set(life.generation, active);
    this.lifecycle.tell('accepted', life);
    attempts.begin();
  }

  /** What a key stands for already. */
  private async again(id: string): Promise<Accepted> {
    const entered = await this.entering.get(id);
    return { generation: entered?.generation ?? (await this.store.find(id)), deduplicated: true };
  }
}
