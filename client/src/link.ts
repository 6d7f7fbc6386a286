import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { CastError } from './cast-error.js';
import type {
  ClientToServerEvents,
  Refusal,
  ServerToClientEvents,
  StreamRecord,
  StreamState,
} from './protocol.js';
import { onWake } from './wake.js';

/** The slowest upload that counts as alive. */
const BYTES_PER_MS = 50;
/** In a row; then polling it is: where a firewall kills every WebSocket, trying would never end. */
const MAX_FAILED_UPGRADES = 3;
/** Socket.IO leaves it to us to come back when it was the server that hung up. */
const RETURN_MS = 1_000;

type Asked = 'generate' | 'chat' | 'join' | 'leave' | 'cancel';
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
  record(record: StreamRecord): void;
  state(state: StreamState): void;
}

/** The connection: comes back by itself, and notices when it is dead. */
export class Link {
  readonly #socket: Socket<ServerToClientEvents, ClientToServerEvents>;
  readonly #stopWaking: () => void;
  #failedUpgrades = 0;
  #returning: ReturnType<typeof setTimeout> | undefined;

  /** @param ackTimeoutMs a connection that gives no answer for so long is dead */
  constructor(
    url: string,
    options: Partial<ManagerOptions & SocketOptions>,
    private readonly ackTimeoutMs: number,
    events: LinkEvents,
  ) {
    // The delay doubles up to the most, and each is off by as much as half, so that those whom one
    // server lost do not come back as one.
    const backOff = {
      reconnectionDelay: 500,
      reconnectionDelayMax: 5_000,
      randomizationFactor: 0.5,
    };
    this.#socket = io(`${url}/events`, { forceNew: true, ...backOff, ...options });
    this.#socket.io.on('open', () => this.#watchUpgrade());
    this.#socket.on('connect', () => events.up());
    this.#socket.on('disconnect', (reason) => {
      events.down();
      if (reason !== 'io server disconnect') return;
      const delay = RETURN_MS * (0.5 + Math.random());
      this.#returning = setTimeout(() => this.#socket.connect(), delay);
    });
    this.#socket.on('connect_error', (error) => {
      // Any other failure is of the network, and it tries again.
      if (!this.#socket.active) events.refused(refusalOf(error));
    });
    this.#socket.on('streamData', (record) => events.record(record));
    this.#socket.on('streamState', (state) => events.state(state));
    this.#stopWaking = onWake(() => {
      if (this.isUp) events.doubt();
      else this.#restart();
    });
  }

  get isUp(): boolean {
    return this.#socket.connected;
  }

  /** What the server calls this connection; undefined while it is down. */
  get id(): string | undefined {
    return this.#socket.id;
  }

  /** Connects again after it was refused. */
  open(): void {
    if (!this.#socket.active) this.#socket.connect();
  }

  close(): void {
    this.#stopWaking();
    clearTimeout(this.#returning);
    this.#socket.disconnect();
  }

  /**
   * Asks on this connection and no later one.
   * @param answered is called before any record that follows; not at all if the connection is lost
   * @param bytes how large the request is
   */
  ask<E extends Asked>(
    event: E,
    request: Request<E>,
    answered: (answer: AnswerTo<E>) => void,
    bytes = 0,
  ): void {
    const { id } = this.#socket;
    const emit = this.#socket.timeout(this.ackTimeoutMs + bytes / BYTES_PER_MS) as unknown as {
      emit(event: E, request: Request<E>, ack: (lost: unknown, answer: AnswerTo<E>) => void): void;
    };
    emit.emit(event, request, (lost, answer) => {
      if (!lost) answered(answer);
      else if (this.isUp && this.#socket.id === id) this.#restart();
    });
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

function refusalOf(error: Error & { data?: unknown }): CastError {
  const { message } = error;
  const refusal = error.data as Refusal | undefined;
  return new CastError(refusal ?? { code: 'forbidden', message, retryable: false }, error);
}
