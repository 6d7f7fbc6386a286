import type { TokenSource } from './token.js';
import type { ManagerOptions, SocketOptions } from 'socket.io-client';
import type { StreamRecord } from './protocol.js';
import type { TextStorage } from './unfinished.js';
import type { WakeSource } from './wake.js';

export interface ConnectOptions {
  /** Where REST is, for `models()`. Default: where the socket is. */
  restUrl?: string;
  /**
   * Fetches a token of the user from your backend. Called before each connection, also after a long
   * sleep, and again before the token ends; answers go on through it. Undefined connects without.
   */
  token?: TokenSource;
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
  /**
   * What is asked fails as `unreachable` where the very first connection takes longer than this.
   * After it was up once, a request waits for it as long as it takes. Default: 30 s; `Infinity`
   * waits for the first one too.
   */
  connectTimeoutMs?: number;
  /**
   * Tells when to look whether the connection is still alive. Default: the events of a web page
   * (`online`, `visibilitychange`). For React Native see the README.
   */
  onWake?: WakeSource;
  /**
   * Tells the server once an answer what its user felt: how long records took, how often the
   * connection was lost, and whether the text was whole. Numbers only. Default: false.
   */
  report?: boolean;
  /** Options of socket.io-client, such as `transports`. */
  socket?: Partial<ManagerOptions & SocketOptions>;
}

export interface StreamOptions {
  /** Abort is cancel. */
  signal?: AbortSignal;
  /** Gets each record as it is applied: once, in order. For what a stream does not offer. */
  onRecord?: (record: StreamRecord) => void;
}

export interface JoinOptions extends StreamOptions {
  /**
   * The text that is still there, and the last record that it holds; reading goes on behind it.
   * Without effect where this page reads that generation already, as then the text is there.
   */
  known?: { seq: number; text: string };
}
