import { Injectable } from '@nestjs/common';
import type { Caller } from '../access/caller.js';
import { authorise, type GenerationVerb, mayRead } from '../access/authorise.js';
import { Audit } from '../access/audit.js';
import { ownerOf } from '../access/principal.js';
import { type Reservation, UsageLimits } from '../access/usage-limits.js';
import { CastService } from '../cast/cast.service.js';
import type { ModelRequest } from '../cast/model-request.js';
import { Config } from '../config/config.js';
import type { QueueView } from '../protocol/answers.js';
import { CastError } from '../protocol/errors.js';
import type { StreamState } from '../protocol/stream-state.js';
import type { Accepted } from './accepted.js';
import { ActiveGenerations } from './active-generations.js';
import { type Asked, checkModel, checkModelOf, decide } from './asked.js';
import type { Generation } from './generation.js';
import { KeyedStarts } from './keyed-starts.js';
import { type Life, Lifecycle } from './lifecycle.js';
import { advised, comeBack } from './line/advice.js';
import { SlotKeeper } from './line/slot-keeper.js';
import type { DoorName } from './log/reader.js';
import { claimOf, givenName, nameOf, type Order, type Which } from './order.js';
import { GenerationStore } from './store/generation-store.js';
import { mostTokens } from './token-count.js';

/** Most pulls at a time. */
const MAX_PULLS = 4;

/** Decides what each caller may start, with which model and limits, and which generations it may see. */
@Injectable()
export class GenerationsService {
  private readonly keyed: KeyedStarts;

  constructor(
    private readonly active: ActiveGenerations,
    private readonly cast: CastService,
    private readonly store: GenerationStore,
    private readonly slots: SlotKeeper,
    private readonly lifecycle: Lifecycle,
    private readonly usage: UsageLimits,
    private readonly audit: Audit,
    private readonly config: Config,
  ) {
    this.keyed = new KeyedStarts(store);
  }

  /** False once the server goes down. */
  get accepting(): boolean {
    return this.active.accepting;
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
    const order = { asked, caller, idempotencyKey, note, name };
    return this.accepted('start', order, () => this.accept(order));
  }

  /**
   * Has an Ollama pull a model. Takes no slot: it needs the network, not the GPU.
   * @throws CastError `forbidden` where the operator does not allow it; else like {@link start}
   */
  async pull(model: string, caller: Caller, idempotencyKey?: string): Promise<Accepted> {
    const order = { asked: { endpoint: 'pull' as const, model }, caller, idempotencyKey };
    return this.accepted('pull', order, () => this.acceptPull(order));
  }

  /**
   * The only way to a generation, by its id or by the name that the caller has given it: one that
   * the caller may not see is not there.
   * @param verb `start` for one that it has started in this very request
   * @throws CastError `generation_not_found`, `forbidden`
   */
  async get(which: Which, caller: Caller, verb: GenerationVerb | 'start'): Promise<Generation> {
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

  /** What those of the caller's own do that have not ended and that he may read; none where he is not known. */
  async activeOf({ principal }: Caller): Promise<StreamState[]> {
    const owner = ownerOf(principal);
    if (owner === undefined) return [];
    const states = await this.store.activeOf(owner);
    return states.filter(({ generationId: id }) => mayRead(principal, { id, owner }));
  }

  /** One that has not ended, whosever it is, for operators. @throws CastError `generation_not_found` */
  async anyone(id: string): Promise<Generation> {
    const generation = await this.store.find(id);
    if (generation.log.end !== undefined) throw new CastError('generation_not_found');
    return generation;
  }

  /** All of this node that have not ended, for operators. */
  all(): Life[] {
    return this.active.all();
  }

  /** How many run and wait. @throws CastError `store_unavailable` */
  async queue(): Promise<QueueView> {
    return this.slots.view();
  }

  /**
   * Lets through what the caller may do, and what its idempotency key stands for already: a retry gets
   * that whatever the limits are by now. Writes down a refusal.
   * @param accept takes something new
   */
  private async accepted(
    verb: 'start' | 'pull',
    order: Order,
    accept: () => Promise<Accepted>,
  ): Promise<Accepted> {
    const { principal, requestId } = order.caller;
    try {
      authorise(principal, verb);
      if (verb === 'pull' && !this.config.ALLOW_PULL) {
        throw new CastError('forbidden', { message: 'Pulling models is not allowed here.' });
      }
      const known = await this.keyed.known(claimOf(order));
      if (known !== undefined) return known;
      if (!this.accepting) throw new CastError('shutting_down');
      return await accept();
    } catch (error) {
      throw this.audit.refused(error, principal, { verb, requestId });
    }
  }

  private async accept(order: Order & { asked: Asked }): Promise<Accepted> {
    const { asked, caller } = order;
    const request = decide(asked, this.config);
    checkModelOf(caller.principal, request.model);
    this.cast.check(request);
    const reservation = await this.usage.start(caller.principal, mostTokens(request));
    try {
      const keep = asked.onDisconnect === 'keep';
      const accepted = await this.begin(order, request, keep, reservation);
      // The same key may have come again in the meantime.
      if (accepted.deduplicated) await reservation.cancel();
      return accepted;
    } catch (error) {
      await reservation.cancel();
      throw error;
    }
  }

  private async acceptPull(
    order: Order & { asked: { endpoint: 'pull'; model: string } },
  ): Promise<Accepted> {
    const { asked, caller } = order;
    checkModel(asked.model, this.config);
    checkModelOf(caller.principal, asked.model);
    this.cast.check(asked);
    const pulls = this.all().filter(({ request }) => request.endpoint === 'pull');
    if (pulls.length >= MAX_PULLS) {
      throw comeBack('queue_full', this.active.turnMs(asked.model));
    }
    return this.begin(order, asked, false);
  }

  /** @param keep it goes on without readers */
  private async begin(
    order: Order,
    request: ModelRequest,
    keep: boolean,
    reservation?: Reservation,
  ): Promise<Accepted> {
    const { endpoint, model } = request;
    if (this.store.isFull) throw comeBack('queue_full', this.active.turnMs(model));
    const id = this.store.newId();
    const { caller, note } = order;
    try {
      return await this.keyed.start(claimOf(order), id, async () => {
        const owner = ownerOf(caller.principal);
        const facts = { id, endpoint, model, owner, createdAt: Date.now(), note };
        const asked = { request, caller, keep };
        const generation = await this.active.enter(facts, asked, reservation, givenName(order));
        const { principal, requestId } = caller;
        this.audit.write('start', principal, { generationId: id, requestId });
        return generation;
      });
    } catch (error) {
      throw advised(error, this.active.turnMs(model));
    }
  }
}
