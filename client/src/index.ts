import { Cast, type ConnectOptions } from './cast.js';

/** Connects to llm-cast. @param url where its socket is, such as `http://localhost:4321` */
export function connect(url: string, options?: ConnectOptions): Cast {
  return new Cast(url, options);
}

export type { Cast, ConnectOptions, JoinOptions, StreamOptions } from './cast.js';
export { CastError, type ClientErrorCode } from './cast-error.js';
export type * from './protocol.js';
export type { CastStream } from './stream.js';
export type { Unfinished } from './unfinished.js';
export type { Result, View } from './view.js';
