import { bare } from './address.js';
import { EMPTY } from './answer.js';
import { Cancellation } from './cancellation.js';
import { type CastError, final, unreachable } from './cast-error.js';
import type { Connection } from './connection.js';
import { reportFelt } from './felt.js';
import { Link } from './link.js';
import { Listeners } from './listeners.js';
import { modelsAt } from './models.js';
import type { ConnectOptions, JoinOptions, StreamOptions } from './options.js';
import { randomId } from './platform.js';
import type {
  ChatRequest,
  GenerateRequest,
  ModelList,
  SendMessageRequest,
  TerminalRecord,
} from './protocol.js';
import { type Listener, Reader, type Source } from './reader.js';
import { RecentIds } from './recent-ids.js';
import { bytesOf, MAX_REQUEST_BYTES, tooLarge } from './request-size.js';
import { chatOf } from './send-message.js';
import { CastStream } from './stream.js';
import { type Unfinished, UnfinishedList } from './unfinished.js';
import { onPageHide, pageWakes } from './wake.js';

const ACK_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 30_000;

/** A connection to llm-cast. One is enough for a page. It connects when something is asked. */
export class Cast {
  readonly #link: Link;
  readonly #readers = new Set<Reader>();
  readonly #cancellations = new Set<Cancellation>();
  readonly #connectionListeners = new Listeners();
  readonly #restUrl: string;
  readonly #maxRequestBytes: number;
  readonly #connectTimeoutMs: number;
  readonly #unfinished: UnfinishedList | undefined;
  /** Generations that this page has heard of: those that it reads, has read or was told of. */
  readonly #heardOf = new RecentIds();
  readonly #generationListeners = new Listeners<string>();
  readonly #token: ConnectOptions['token'];
  readonly #reports: boolean;
  #stopFlushing: (() => void) | undefined;

  /** @internal */
  constructor(url: string, options: ConnectOptions = {}) {
    const { auth, token, storage, restUrl = url, onWake = pageWakes, socket } = options;
    const { ackTimeoutMs = ACK_TIMEOUT_MS } = options;
    this.#restUrl = bare(restUrl);
    this.#maxRequestBytes = options.maxRequestBytes ?? MAX_REQUEST_BYTES;
    this.#connectTimeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    if (options.onGeneration !== undefined) this.#generationListeners.add(options.onGeneration);
    this.#reports = options.report ?? false;
    this.#token = token;
    this.#unfinished = storage && new UnfinishedList(storage, `llm-cast ${bare(url)}`);
    const each = (tell: (listener: Listener) => void): void => this.#each(tell);
    this.#link = new Link(
      bare(url),
      { ackTimeoutMs, onWake, token, auth, socket },
      {
        up: () => each((listener) => listener.up()),
        down: () => each((listener) => listener.down()),
        doubt: () => each((listener) => listener.ask()),
        refused: (error) => each((listener) => listener.fail(error)),
        changed: () => this.#connectionListeners.tell(),
        record: (record) => {
          this.#hearOf(record.generationId);
          each((listener) => listener.receive(record));
        },
        state: (state) => {
          this.#hearOf(state.generationId);
          each((listener) => listener.hear(state));
        },
      },
    );
  }

  /** Whether the connection is there at this moment. */
  get connected(): boolean {
    return this.#link.isUp;
  }

  /** How the connection is. The object is the same one until something changes. */
  get connection(): Connection {
    return this.#link.connection;
  }

  /**
   * Hears of each change of `connection`, and connects if nothing has done so yet.
   * @returns a function that ends it
   */
  subscribe(changed: (connection: Connection) => void): () => void {
    const stop = this.#connectionListeners.add(() => changed(this.connection));
    this.open();
    return stop;
  }

  /**
   * The `clientId` of REST requests: undefined without a connection, and new with each one. Looking
   * for it connects, if nothing has done so yet.
   */
  get clientId(): string | undefined {
    if (this.connection.state === 'idle') this.open();
    return this.#link.id;
  }

  /** Connects now. The first request does so too; `onGeneration` hears nothing before. */
  open(): void {
    if (this.connection.state === 'closed') return;
    this.#stopFlushing ??= onPageHide(() => this.#unfinished?.flush());
    this.#link.open();
  }

  /** The next message of a conversation. */
  chat(request: ChatRequest, options?: StreamOptions): CastStream {
    return this.#start('chat', request, options);
  }

  /** What follows a prompt. */
  generate(request: GenerateRequest, options?: StreamOptions): CastStream {
    return this.#start('generate', request, options);
  }

  /**
   * A chat whose records go to every tab of the user that `auth` names. Asked as `chat`: the event
   * `send_message` wants the user's id once more.
   */
  sendMessage(message: Omit<SendMessageRequest, 'user_id'>, options?: StreamOptions): CastStream {
    return this.chat(chatOf(message), options);
  }

  /**
   * Reads a generation that is there: of another tab, or from before a reload. Where this page reads
   * it already, this is a second view of the same text, and `onRecord` gets the records from now on.
   */
  join(generationId: string, options: JoinOptions = {}): CastStream {
    const open = this.#readerOf(generationId);
    if (open === undefined) {
      return this.#open({ generationId, answer: { ...EMPTY, ...options.known } }, options);
    }
    return this.#stream(open, options);
  }

  /**
   * Stops a generation, whoever started it, without fetching its text.
   * @returns its terminal record, when the model has stopped
   * @throws CastError `generation_not_found`, `closed`, `unreachable`
   */
  cancel(generationId: string): Promise<TerminalRecord> {
    const reader = this.#readerOf(generationId);
    if (reader !== undefined) return this.#stream(reader).cancel();
    const cancellation = new Cancellation(this.#link, generationId);
    const { ended } = cancellation;
    if (this.connection.state === 'closed') cancellation.fail(closed());
    else {
      this.#cancellations.add(cancellation);
      const stopWaiting = this.#waitForConnection(cancellation);
      const forget = (): void => {
        stopWaiting();
        this.#cancellations.delete(cancellation);
      };
      void ended.then(forget, forget);
      this.open();
      cancellation.ask();
    }
    return ended;
  }

  /** The models that can be asked. @throws CastError */
  models(): Promise<ModelList['models']> {
    return modelsAt(this.#restUrl, this.#token);
  }

  /** What this page was reading before it was loaded again. `join` goes on with it. */
  unfinished(): Unfinished[] {
    return this.#unfinished?.read() ?? [];
  }

  /** Ends the connection. The models go on for those who may come back. */
  close(): void {
    this.#unfinished?.flush();
    this.#stopFlushing?.();
    this.#link.close();
    this.#each((listener) => listener.fail(closed()));
  }

  #each(tell: (listener: Listener) => void): void {
    this.#readers.forEach(tell);
    this.#cancellations.forEach(tell);
  }

  #start(
    event: 'chat' | 'generate',
    request: ChatRequest | GenerateRequest,
    options?: StreamOptions,
  ): CastStream {
    const asked = { ...request, idempotencyKey: request.idempotencyKey ?? randomId() };
    const bytes = bytesOf(asked);
    const source: Source = { start: (answered) => this.#link.ask(event, asked, answered, bytes) };
    if (bytes <= this.#maxRequestBytes) return this.#open(source, options);
    const reader = new Reader(this.#link, source);
    reader.fail(tooLarge(bytes, this.#maxRequestBytes));
    return this.#stream(reader);
  }

  #open(source: Source, options?: StreamOptions): CastStream {
    const reader = new Reader(this.#link, source);
    if (this.#reports) reportFelt(reader, this.#link);
    if (this.connection.state === 'closed') reader.fail(closed());
    // Before it is asked for: what was aborted by then is never sent.
    const stream = this.#stream(reader, options);
    if (reader.isOver) return stream;
    this.#readers.add(reader);
    const stopWaiting = this.#waitForConnection(reader);
    reader.subscribe(() => {
      // What is only closed here may go on after a reload.
      if (this.connection.state !== 'closed') this.#unfinished?.note(reader.view);
      if (!reader.isOver) return;
      stopWaiting();
      this.#readers.delete(reader);
    });
    this.open();
    reader.ask();
    return stream;
  }

  /**
   * Fails what was asked where the first connection does not come in time.
   * @returns a function that ends the wait
   */
  #waitForConnection(listener: Listener): () => void {
    const ms = this.#connectTimeoutMs;
    if (this.#link.wasUp || !Number.isFinite(ms)) return () => undefined;
    const timer = setTimeout(() => {
      if (this.#link.wasUp) return;
      const message = this.connection.error?.message ?? `No connection within ${ms} ms.`;
      listener.fail(unreachable(message));
    }, ms);
    return () => clearTimeout(timer);
  }

  #readerOf(generationId: string): Reader | undefined {
    for (const reader of this.#readers) {
      if (reader.view.generationId === generationId) return reader;
    }
    return undefined;
  }

  #hearOf(generationId: string): void {
    if (this.#generationListeners.isEmpty) return;
    let isRead = false;
    for (const { view } of this.#readers) {
      // It may be the one whose ack was lost. The server speaks of it again.
      if (view.generationId === undefined) return;
      if (view.generationId === generationId) isRead = true;
    }
    if (this.#heardOf.add(generationId) && !isRead) this.#generationListeners.tell(generationId);
  }

  #stream(reader: Reader, { signal, onRecord }: StreamOptions = {}): CastStream {
    const stream = new CastStream(reader);
    if (onRecord !== undefined) stream.onRecord(onRecord);
    const cancel = (): void => void stream.cancel();
    if (signal?.aborted === true) cancel();
    signal?.addEventListener('abort', cancel);
    void stream.result
      .catch(() => undefined)
      .then(() => signal?.removeEventListener('abort', cancel));
    return stream;
  }
}

function closed(): CastError {
  return final('closed', 'The connection was closed.');
}
