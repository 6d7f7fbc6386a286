import type { Readiness } from 'llm-cast-client';
import { type Answer, ask } from './ask.js';
import type { Connection } from './connection.js';
import { type SocketLocation, socketUrlOf } from './socket-url.js';

/** What `GET /page.json` says. */
export interface PageInfo extends SocketLocation {
  model: string;
  allowPull: boolean;
  /** ALLOWED_MODELS does not name the model; absent where llm-cast is older. */
  isModelHidden?: boolean;
}

/** What is examined, and what the checks have learnt of it for those after them. */
export class Patient {
  page: PageInfo | undefined;
  readiness: Readiness | undefined;
  /** Whether Socket.IO offers polling at all. */
  offersPolling = true;
  polling: Connection | undefined;
  websocket: Connection | undefined;
  upgraded: Connection | undefined;
  /** Cancels what the check that is being made has asked of the model. */
  cancel: ((signal: AbortSignal) => Promise<void>) | undefined;
  private readonly open: Connection[] = [];

  constructor(
    /** Where REST is, without a trailing slash. */
    readonly restUrl: string,
    /** Of the page that is to use it. Each request carries it that a page's would. */
    readonly origin: string,
    /** A key or token that llm-cast is shown. */
    readonly token: string | undefined,
  ) {}

  /** Asks REST, as whoever the token names. @throws Failure where there is no answer */
  rest(path: string, init: RequestInit): Promise<Answer> {
    const headers = new Headers(init.headers);
    if (this.token !== undefined) headers.set('authorization', `Bearer ${this.token}`);
    return ask(this.restUrl + path, { ...init, headers });
  }

  /** Where pages look for Socket.IO, without the namespace; known when REST is. */
  get socketUrl(): string {
    return socketUrlOf(this.page ?? { socketUrl: null, socketPort: 0 }, this.restUrl);
  }

  /** The connection that an app would have, of those that are still there. */
  get connection(): Connection | undefined {
    const best = [this.upgraded, this.websocket, this.polling];
    return best.find((connection) => connection?.socket.connected === true);
  }

  keep(connection: Connection): void {
    this.open.push(connection);
  }

  discharge(): void {
    for (const { socket } of this.open) socket.disconnect();
  }
}
