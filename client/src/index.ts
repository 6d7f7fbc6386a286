import { Cast } from './cast.js';
import type { ConnectOptions } from './options.js';

/**
 * A connection to llm-cast. Nothing is sent before something is asked, so that a module of an app
 * may call this while it is rendered on a server.
 * @param url where its Socket.IO is: `http://localhost:4321`, `https://example.com/below/a/path`,
 *   or `/` for the host of the page
 * @throws TypeError where `url` is no such address
 */
export function connect(url: string, options?: ConnectOptions): Cast {
  return new Cast(url, options);
}

export type { Cast } from './cast.js';
export { CastError, type ClientErrorCode } from './cast-error.js';
export type { Connection } from './connection.js';
export type { ConnectOptions, JoinOptions, StreamOptions } from './options.js';
export type * from './protocol.js';
export type { CastStream } from './stream.js';
export type { TextStorage, Unfinished } from './unfinished.js';
export type { Result, View } from './view.js';
export type { WakeSource } from './wake.js';
