import type { Cast } from '../cast.js';
import { Listeners } from '../listeners.js';
import type { ChatRequest } from '../protocol.js';
import type { CastStream } from '../stream.js';
import type { Conversation, Turn } from './conversation.js';
import { requestOf } from './request.js';
import { RunningAnswers } from './running-answers.js';
import { type ConversationStorage, NO_STORAGE } from './storage.js';
import { runningTurns, withAnswer } from './turns.js';

export interface ConversationsOptions {
  /** Default: none. `browserStorage()` keeps them in the browser. */
  storage?: ConversationStorage;
  /**
   * What is asked of the model for a turn, for tools and the like. The same turn must give the same
   * request each time: it is asked again after a reload. Default: `requestOf`.
   */
  request?: (conversation: Conversation, turn: Turn) => ChatRequest | Promise<ChatRequest>;
}

/** The conversations of a storage, as they are in any of its tabs, and the answers on their way. */
export class Conversations {
  /** Whether all of it is still there tomorrow. A browser that keeps nothing still chats. */
  areKept = true;
  /** How many are kept and cannot be read. */
  unreadable = 0;
  /** Whether the storage was read. */
  isLoaded = false;
  /** The one that was removed last, until it is brought back or forgotten. */
  removed: Conversation | undefined;
  readonly #storage: ConversationStorage;
  readonly #running: RunningAnswers;
  readonly #kept = new Map<string, Conversation>();
  /** What is newer here than in the storage: its write is under way, or was refused. */
  readonly #behind = new Set<string>();
  /** By id: the last of its writes that are under way. */
  readonly #writing = new Map<string, Promise<boolean>>();
  readonly #listeners = new Listeners();
  #list: readonly Conversation[] | undefined;
  #loading: Promise<void> | undefined;

  constructor(
    cast: Cast,
    { storage = NO_STORAGE, request = requestOf }: ConversationsOptions = {},
  ) {
    this.#storage = storage;
    this.#running = new RunningAnswers(cast, this, request);
  }

  /** The latest first. The array is the same one until something changes. */
  get list(): readonly Conversation[] {
    this.#list ??= [...this.#kept.values()].sort((one, other) => other.updatedAt - one.updatedAt);
    return this.#list;
  }

  get(id: string): Conversation | undefined {
    return this.#kept.get(id);
  }

  /** The stream of an answer that is on its way. */
  streamOf(answerId: string): CastStream | undefined {
    return this.#running.get(answerId);
  }

  /** The streams of all answers that are on their way, by the answer's id. */
  get streams(): ReadonlyMap<string, CastStream> {
    return this.#running.streams;
  }

  /**
   * Hears of each change of the conversations, and of which answers are on their way. Reads the
   * storage and goes on with the answers that run, if nothing has done so yet.
   * @returns a function that ends it
   */
  subscribe(changed: () => void): () => void {
    const stop = this.#listeners.add(changed);
    void this.load();
    return stop;
  }

  /** Reads the storage. Resolves also where it cannot be read. */
  load(): Promise<void> {
    this.#loading ??= this.#load();
    return this.#loading;
  }

  async add(conversation: Conversation): Promise<void> {
    this.#show(conversation.id, conversation);
    await this.#save(conversation.id);
  }

  async change(id: string, change: (conversation: Conversation) => Conversation): Promise<void> {
    if (!this.#behind.has(id) && this.#storage.change !== undefined) {
      const written = await this.#storage.change(id, change).then(
        (after) => ({ after }),
        () => undefined,
      );
      // It may have been removed meanwhile, or another change of it refused.
      if (written !== undefined && !this.#behind.has(id)) {
        this.#show(id, written.after);
        return this.#catchUp();
      }
    }
    const before = this.#kept.get(id);
    if (before === undefined) return;
    this.#show(id, change(before));
    await this.#save(id);
  }

  /** Stops an answer. Where the server cannot be reached, it hears of that later, also after a reload. */
  async stop(id: string, answerId: string): Promise<void> {
    this.#running.cancel(answerId);
    await this.change(id, (now) =>
      withAnswer(now, answerId, (answer) =>
        answer.state === 'running' ? { ...answer, isStopped: true } : answer,
      ),
    );
  }

  /** Removes it, and stops its answers. */
  async remove(id: string): Promise<void> {
    this.removed = this.#kept.get(id);
    for (const { answer } of this.removed === undefined ? [] : runningTurns(this.removed)) {
      this.#running.cancel(answer.id);
    }
    this.#show(id, undefined);
    await this.#save(id);
  }

  async undoRemove(): Promise<void> {
    const conversation = this.removed;
    this.forgetRemoved();
    if (conversation !== undefined) await this.add(conversation);
  }

  forgetRemoved(): void {
    this.removed = undefined;
    this.changed();
  }

  /** @internal */
  changed(): void {
    this.#listeners.tell();
  }

  async #load(): Promise<void> {
    this.#storage.onChange?.((id, conversation) => {
      if (conversation === undefined) this.#behind.delete(id);
      if (!this.#behind.has(id)) this.#show(id, conversation);
      void this.#catchUp();
    });
    const read = await this.#storage.all().catch(() => undefined);
    this.areKept = read !== undefined;
    this.unreadable = read?.unreadable ?? 0;
    for (const conversation of read?.conversations ?? []) {
      // One that was begun meanwhile is newer.
      if (!this.#kept.has(conversation.id)) this.#kept.set(conversation.id, conversation);
    }
    this.isLoaded = true;
    this.#refresh();
  }

  #show(id: string, conversation: Conversation | undefined): void {
    if (conversation === undefined) this.#kept.delete(id);
    else this.#kept.set(id, conversation);
    this.#refresh();
  }

  #refresh(): void {
    this.#list = undefined;
    this.#running.follow(this.list);
    this.changed();
  }

  /**
   * Writes what is here, whole, after what is being written of it: a storage far away could take the
   * later one first.
   * @returns whether the storage has taken it
   */
  async #write(id: string): Promise<boolean> {
    this.#behind.add(id);
    const before = this.#writing.get(id);
    const writing = before === undefined ? this.#put(id) : before.then(() => this.#put(id));
    this.#writing.set(id, writing);
    const isTaken = await writing;
    if (this.#writing.get(id) === writing) this.#writing.delete(id);
    return isTaken;
  }

  async #put(id: string): Promise<boolean> {
    // The write before this one has taken it along.
    if (!this.#behind.has(id)) return true;
    const conversation = this.#kept.get(id);
    try {
      await (conversation === undefined
        ? this.#storage.remove(id)
        : this.#storage.put(conversation));
    } catch {
      this.#keeps(false);
      return false;
    }
    // Else a later write follows.
    if (this.#kept.get(id) === conversation) this.#behind.delete(id);
    return true;
  }

  /** Writes what was refused before: there may be room again. */
  async #catchUp(): Promise<void> {
    if (this.areKept) return;
    for (const id of this.#behind) if (!(await this.#write(id))) return;
    this.#keeps(this.#behind.size === 0);
  }

  async #save(id: string): Promise<void> {
    if (await this.#write(id)) await this.#catchUp();
  }

  #keeps(areKept: boolean): void {
    if (this.areKept === areKept) return;
    this.areKept = areKept;
    this.changed();
  }
}
