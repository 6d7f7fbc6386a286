import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { addressOf } from './address.js';
import { asError, type CastError } from './cast-error.js';
import { type Connection, failedAttempt, refusalOf } from './connection.js';
import type {
  ClientToServerEvents,
  ServerToClientEvents,
  StreamRecord,
  StreamState,
} from './protocol.js';
import { renewAfter, type TokenSource } from './token.js';
import type { WakeSource } from './wake.js';

/** The slowest upload that counts as alive. */
const BYTES_PER_MS = 50;
/** In a row; then it stays with polling: a firewall that kills every WebSocket would kill the next. */
const MAX_FAILED_UPGRADES = 3;
/** After the server has hung up, Socket.IO does not connect again by itself. */
const RETURN_MS = 1_000;

type Asked = 'generate' | 'chat' | 'join' | 'leave' | 'cancel' | 'report';
type Request<E extends Asked> = Parameters<ClientToServerEvents[E]>[0];
type AnswerTo<E extends Asked> = Parameters<Parameters<ClientToServerEvents[E]>[1]>[0];

/** What a link tells of. */
export interface LinkEvents {
  /** It is up, for the first time or again: nothing that was asked before will be answered. */
  up(): void;
  down(): void;
  /** It may be dead without knowing: ask something. */
  doubt(): void;
  /** The server does not want this client. */
  refused(error: CastError): void;
  /** `connection` has changed. */
  changed(): void;
  record(record: StreamRecord): void;
  state(state: StreamState): void;
}

export interface LinkOptions {
  /** A connection that gives no answer for so long is dead. */
  ackTimeoutMs: number;
  onWake: WakeSource;
  token: TokenSource | undefined;
  /** What the server is told besides the token. */
  auth: Record<string, unknown> | undefined;
  socket: Partial<ManagerOptions & SocketOptions> | undefined;
}

/** The connection: is made when it is first needed, comes back by itself, notices when it is dead. */
export class Link {
  connection: Connection = { state: 'idle', error: undefined };
  /** Whether it was up at least once: then the address is right. */
  wasUp = false;
  /** The shortest time that an answer took on this connection, in milliseconds; 0 before the first. */
  roundTripMs = 0;
  readonly #url: string;
  readonly #socket: Socket<ServerToClientEvents, ClientToServerEvents>;
  readonly #ackTimeoutMs: number;
  readonly #onWake: WakeSource;
  readonly #events: LinkEvents;
  #renewing: ReturnType<typeof setTimeout> | undefined;
  #stopWaking: (() => void) | undefined;
  #failedUpgrades = 0;
  /** Connections for which a token was asked. */
  #attempts = 0;
  #returning: ReturnType<typeof setTimeout> | undefined;

  /** @throws TypeError where `url` is no address */
  constructor(
    url: string,
    { ackTimeoutMs, onWake, token, auth, socket }: LinkOptions,
    events: LinkEvents,
  ) {
    const { origin, path } = addressOf(url);
    this.#url = url;
    this.#ackTimeoutMs = ackTimeoutMs;
    this.#onWake = onWake;
    this.#events = events;
    this.#socket = io(`${origin}/events`, {
      path: `${path}/socket.io`,
      forceNew: true,
      autoConnect: false,
      // The delay doubles up to the most, and each is off by as much as half, so that those whom one
      // server lost do not come back as one.
      reconnectionDelay: 500,
      reconnectionDelayMax: 5_000,
      randomizationFactor: 0.5,
      auth:
        token === undefined
          ? { ...auth }
          : (give) => void this.#authenticate(token, (token) => give({ ...auth, token })),
      ...socket,
    });
    this.#listen();
  }

  get isUp(): boolean {
    return this.#socket.connected;
  }

  /** What the server calls this connection; undefined while it is down. */
  get id(): string | undefined {
    return this.#socket.id;
  }

  /** Connects, unless it is connected or tries to; also after it was refused. */
  open(): void {
    if (this.#socket.active) return;
    this.#stopWaking ??= this.#onWake(() => {
      if (this.isUp) this.#events.doubt();
      else this.#restart();
    });
    if (!this.wasUp) this.#change('connecting');
    this.#socket.connect();
  }

  close(): void {
    this.#stopWaking?.();
    clearTimeout(this.#returning);
    clearTimeout(this.#renewing);
    this.#change('closed');
    this.#socket.disconnect();
  }

  /**
   * Asks on this connection and no later one; nothing where there is none. To read or to cancel an
   * answer is asked again where the server cannot do it now: that says nothing of the answer.
   * @param answered is called before any record that follows; not at all if the connection is lost
   * @param bytes how large the request is
   */
  ask<E extends Asked>(
    event: E,
    request: Request<E>,
    answered: (answer: AnswerTo<E>) => void,
    bytes = 0,
  ): void {
    const { id } = this;
    if (id === undefined) return;
    const emit = this.#socket.timeout(this.#ackTimeoutMs + bytes / BYTES_PER_MS) as unknown as {
      emit(event: E, request: Request<E>, ack: (lost: unknown, answer: AnswerTo<E>) => void): void;
    };
    const from = Date.now();
    emit.emit(event, request, (lost, answer) => {
      if (lost) {
        if (this.id === id) this.#restart();
        return;
      }
      this.roundTripMs = Math.min(this.roundTripMs || Infinity, Date.now() - from);
      if (answer.ok || !answer.error.retryable || !/join|cancel/.test(event)) {
        return answered(answer);
      }
      const delay = answer.error.retryAfterMs ?? RETURN_MS;
      const retry = setTimeout(() => {
        this.#socket.off('disconnect', stop);
        this.ask(event, request, answered);
      }, delay);
      const stop = () => clearTimeout(retry);
      this.#socket.once('disconnect', stop);
    });
  }

  #listen(): void {
    const events = this.#events;
    this.#socket.io.on('open', () => this.#watchUpgrade());
    this.#socket.on('connect', () => {
      this.wasUp = true;
      this.roundTripMs = 0;
      events.up();
      this.#change('up');
    });
    this.#socket.on('disconnect', (reason) => {
      clearTimeout(this.#renewing);
      this.#change('down');
      events.down();
      if (reason === 'io server disconnect') this.#comeBack(RETURN_MS * (0.5 + Math.random()));
    });
    this.#socket.on('connect_error', (error) => {
      // While it is active, the network has failed, and Socket.IO tries again.
      if (this.#socket.active) return this.#failed(failedAttempt(this.#url, error));
      const refusal = refusalOf(error);
      clearTimeout(this.#renewing);
      if (refusal.retryable) {
        this.#change(this.wasUp ? 'down' : 'connecting', refusal);
        // Each a bit later than it may, so that they do not come back as one.
        this.#comeBack((refusal.retryAfterMs ?? RETURN_MS) * (1 + Math.random() / 2));
      } else {
        this.#change('refused', refusal);
        events.refused(refusal);
      }
    });
    this.#socket.on('streamData', (record) => events.record(record));
    this.#socket.on('streamState', (state) => events.state(state));
  }

  #comeBack(delay: number): void {
    clearTimeout(this.#returning);
    this.#returning = setTimeout(() => this.#socket.connect(), delay);
  }

  /** Fetches a token for a new connection. Without one the connection is given up, and tried again. */
  async #authenticate(
    source: TokenSource,
    give: (token: string | undefined) => void,
  ): Promise<void> {
    const attempt = ++this.#attempts;
    const { engine } = this.#socket.io;
    // What comes late is of no use: another connection asks, or will ask, for its own.
    const isLate = (): boolean => attempt !== this.#attempts || engine.readyState !== 'open';
    try {
      const token = await source();
      if (isLate()) return;
      this.#renewLater(source, token);
      give(token);
    } catch (error) {
      if (isLate()) return;
      this.#failed(failedAttempt(this.#url, asError(error)));
      engine.close();
    }
  }

  #renewLater(source: TokenSource, token: string | undefined): void {
    const delay = renewAfter(token ?? '');
    clearTimeout(this.#renewing);
    if (delay === undefined) return;
    this.#renewing = setTimeout(() => void this.#renew(source), delay);
  }

  /** Goes on with a new token. Where there is none, the server closes the socket, and all begins anew. */
  async #renew(source: TokenSource): Promise<void> {
    const { id } = this;
    try {
      const token = await source();
      if (token === undefined || this.id !== id) return;
      const answer = await this.#socket.timeout(this.#ackTimeoutMs).emitWithAck('auth', { token });
      if (answer.ok) this.#renewLater(source, token);
    } catch {
      // As above.
    }
  }

  /** A wrong address must not be silent: whoever tries it for the first time is told once. */
  #failed(error: CastError): void {
    const isFirst = !this.wasUp && this.connection.error === undefined;
    this.#change(this.wasUp ? 'down' : 'connecting', error);
    if (!isFirst) return;
    console.warn(
      `llm-cast-client: ${error.message} Is Socket.IO of llm-cast there (SOCKET_PORT, usually 4321), ` +
        'and may this page use it (CORS_ORIGINS)? It tries again.',
    );
  }

  #change(state: Connection['state'], error?: CastError): void {
    if (this.connection.state === 'closed') return;
    this.connection = { state, error };
    this.#events.changed();
  }

  /** Comes back by polling where WebSockets die as soon as they are used. */
  #watchUpgrade(): void {
    const { opts, engine } = this.#socket.io;
    const failed = () => {
      if (++this.#failedUpgrades >= MAX_FAILED_UPGRADES) opts.upgrade = false;
    };
    engine.once('upgrade', () => {
      // Taking over proves nothing; the first packet does, at the latest the heartbeat after 10 s.
      engine.once('close', failed);
      engine.once('packet', () => {
        engine.off('close', failed);
        this.#failedUpgrades = 0;
      });
    });
    engine.once('upgrading', () => {
      // engine.io-client 6.6 pauses polling once the WebSocket has answered its probe, and leaves it
      // so if that WebSocket dies before it takes over: nothing would come until the heartbeat runs out.
      engine.once('upgradeError', () => {
        if (engine.readyState !== 'open') return;
        failed();
        // `close()` would wait for the upgrade. Without this method, the heartbeat ends it.
        (engine as unknown as { _onClose?(reason: string): void })._onClose?.('transport error');
      });
    });
  }

  /** Now, whatever is left of a back-off. */
  #restart(): void {
    this.#socket.disconnect().connect();
  }
}
