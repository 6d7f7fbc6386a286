import type { ManagerOptions, SocketOptions } from 'socket.io-client';
import { EMPTY } from './answer.js';
import { CastError } from './cast-error.js';
import { Link } from './link.js';
import type {
  ChatRequest,
  GenerateRequest,
  ModelList,
  Refusal,
  SendMessageRequest,
  StreamRecord,
} from './protocol.js';
import { Reader, type Source } from './reader.js';
import { CastStream } from './stream.js';
import { type TextStorage, type Unfinished, UnfinishedList } from './unfinished.js';
import type { Result } from './view.js';

export interface ConnectOptions {
  /** Where REST is, for `models()`. Default: where the socket is. */
  restUrl?: string;
  /** What the server is told of who connects, such as `{ userId }`. */
  auth?: Record<string, unknown>;
  /**
   * Hears of each generation of this user that runs and that this page does not read: another tab
   * started it, or another device. `join` reads it.
   */
  onGeneration?: (generationId: string) => void;
  /** `sessionStorage`, to go on after a reload; see `unfinished()`. */
  storage?: TextStorage;
  /** The server's `MAX_BODY_BYTES`: it hangs up on a larger request. Default: 20 MiB. */
  maxRequestBytes?: number;
  /** A connection that gives no answer for so long is replaced. Default: 10 s. */
  ackTimeoutMs?: number;
  /** Options of socket.io-client, such as `transports` or `path`. */
  socket?: Partial<ManagerOptions & SocketOptions>;
}

export interface StreamOptions {
  /** Abort is cancel. */
  signal?: AbortSignal;
  /** Gets each record as it is applied: once, in order. For what a stream does not offer. */
  onRecord?: (record: StreamRecord) => void;
}

export interface JoinOptions extends StreamOptions {
  /** The text that is still there, and the last record that it holds; reading goes on behind it. */
  known?: { seq: number; text: string };
}

const MAX_REQUEST_BYTES = 20 * 1024 * 1024;
const ACK_TIMEOUT_MS = 10_000;
/** What Socket.IO puts around a request. */
const FRAME_BYTES = 256;

/** A connection to llm-cast. One is enough for a page. */
export class Cast {
  readonly #link: Link;
  readonly #readers = new Set<Reader>();
  readonly #restUrl: string;
  readonly #maxRequestBytes: number;
  readonly #unfinished: UnfinishedList | undefined;
  /** Generations that this page reads, has read or has heard of. */
  readonly #known = new Set<string>();
  readonly #onGeneration: ConnectOptions['onGeneration'];
  #isClosed = false;

  /** @internal */
  constructor(url: string, options: ConnectOptions = {}) {
    const { auth, storage, restUrl = url, ackTimeoutMs = ACK_TIMEOUT_MS, socket } = options;
    this.#restUrl = bare(restUrl);
    this.#maxRequestBytes = options.maxRequestBytes ?? MAX_REQUEST_BYTES;
    this.#onGeneration = options.onGeneration;
    this.#unfinished = storage && new UnfinishedList(storage, `llm-cast ${bare(url)}`);
    const each = (tell: (reader: Reader) => void): void => this.#readers.forEach(tell);
    this.#link = new Link(bare(url), { ...(auth && { auth }), ...socket }, ackTimeoutMs, {
      up: () => each((reader) => reader.up()),
      down: () => each((reader) => reader.down()),
      doubt: () => each((reader) => reader.ask()),
      refused: (error) => each((reader) => reader.fail(error)),
      record: (record) => {
        this.#hearOf(record.generationId);
        each((reader) => reader.receive(record));
      },
      state: (state) => {
        this.#hearOf(state.generationId);
        each((reader) => reader.hear(state));
      },
    });
  }

  /** Whether the connection is there at this moment. */
  get connected(): boolean {
    return this.#link.isUp;
  }

  /** The `clientId` of REST requests: undefined without a connection, and new with each one. */
  get clientId(): string | undefined {
    return this.#link.id;
  }

  /** The next message of a conversation. */
  chat(request: ChatRequest, options?: StreamOptions): CastStream {
    const asked = { idempotencyKey: newKey(), ...request };
    const bytes = bytesOf(asked);
    return this.#start(
      bytes,
      { start: (answered) => this.#link.ask('chat', asked, answered, bytes) },
      options,
    );
  }

  /** What follows a prompt. */
  generate(request: GenerateRequest, options?: StreamOptions): CastStream {
    const asked = { idempotencyKey: newKey(), ...request };
    const bytes = bytesOf(asked);
    return this.#start(
      bytes,
      { start: (answered) => this.#link.ask('generate', asked, answered, bytes) },
      options,
    );
  }

  /**
   * A chat whose records go to every tab of the user that `auth` names. Asked as `chat`, because the
   * event `send_message` takes no idempotency key.
   */
  sendMessage(
    { user_content, system_content, temperature }: Omit<SendMessageRequest, 'user_id'>,
    options?: StreamOptions,
  ): CastStream {
    const user = { role: 'user' as const, content: user_content };
    const messages =
      system_content === undefined
        ? [user]
        : [{ role: 'system' as const, content: system_content }, user];
    return this.chat({ messages, options: { temperature }, audience: 'user' }, options);
  }

  /** Reads a generation that is there: of another tab, or from before a reload. */
  join(generationId: string, options: JoinOptions = {}): CastStream {
    const open = [...this.#readers].find(({ view }) => view.generationId === generationId);
    if (open !== undefined) return this.#stream(open, options.signal);
    return this.#open({ generationId, answer: { ...EMPTY, ...options.known } }, options);
  }

  /** Stops a generation, whoever started it. Resolves when the model has stopped. */
  cancel(generationId: string): Promise<Result> {
    return this.join(generationId).cancel();
  }

  /** The models that can be asked. @throws CastError */
  async models(): Promise<ModelList['models']> {
    const response = await fetch(`${this.#restUrl}/llm/models`).catch((cause: unknown) => {
      const message = 'The server cannot be reached.';
      throw new CastError({ code: 'unreachable', message, retryable: true }, cause);
    });
    const body: unknown = await response.json().catch(() => undefined);
    if (response.ok && body !== undefined) return (body as ModelList).models;
    // What a proxy says instead of the server is a page in HTML.
    const message = `The server does not answer (HTTP ${response.status}).`;
    throw new CastError(
      (body as Refusal | undefined) ?? { code: 'unreachable', message, retryable: true },
    );
  }

  /** What this page was reading before it was loaded again. `join` goes on with it. */
  unfinished(): Unfinished[] {
    return this.#unfinished?.read() ?? [];
  }

  /** Ends the connection. The models go on for those who may come back. */
  close(): void {
    this.#isClosed = true;
    for (const reader of this.#readers) reader.fail(CLOSED);
    this.#link.close();
  }

  #start(bytes: number, source: Source, options?: StreamOptions): CastStream {
    if (bytes <= this.#maxRequestBytes) return this.#open(source, options);
    const reader = new Reader(this.#link, source);
    const message = `The request has ${bytes} bytes; ${this.#maxRequestBytes} are allowed.`;
    reader.fail({ code: 'payload_too_large', message });
    return this.#stream(reader);
  }

  #open(source: Source, { signal, onRecord }: StreamOptions = {}): CastStream {
    const reader = new Reader(this.#link, source);
    if (onRecord !== undefined) reader.onRecord(onRecord);
    if (this.#isClosed) reader.fail(CLOSED);
    // Before it is asked for: what was aborted by then is never sent.
    const stream = this.#stream(reader, signal);
    if (reader.isOver) return stream;
    this.#readers.add(reader);
    reader.subscribe(() => {
      // What is only closed here may go on after a reload.
      if (!this.#isClosed) this.#unfinished?.note(reader.view);
      if (reader.isOver) this.#readers.delete(reader);
    });
    this.#link.open();
    reader.ask();
    return stream;
  }

  #hearOf(generationId: string): void {
    const ids = new Set([...this.#readers].map(({ view }) => view.generationId));
    // It may be the one whose ack was lost. The server speaks of it again.
    if (ids.has(undefined)) return;
    const isKnown = ids.has(generationId) || this.#known.has(generationId);
    this.#known.add(generationId);
    if (!isKnown) this.#onGeneration?.(generationId);
  }

  #stream(reader: Reader, signal?: AbortSignal): CastStream {
    const cancel = (): void => void reader.cancel();
    if (signal?.aborted === true) cancel();
    signal?.addEventListener('abort', cancel);
    void reader.ended
      .catch(() => undefined)
      .then(() => signal?.removeEventListener('abort', cancel));
    return new CastStream(reader);
  }
}

const CLOSED = { code: 'closed', message: 'The connection was closed.' } as const;

const bare = (url: string): string => url.replace(/\/+$/, '');

/** Not `randomUUID`: plain HTTP pages have none. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join(
    '-',
  );
}

function bytesOf(request: object): number {
  return new TextEncoder().encode(JSON.stringify(request)).length + FRAME_BYTES;
}
