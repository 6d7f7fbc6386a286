import type { Namespace, Socket } from 'socket.io';
import type { Caller } from '../access/caller.js';
import type { Session } from '../access/sessions.js';
import type { ClientToServerEvents, ServerToClientEvents } from '../protocol/socket-events.js';
import type { Generation } from '../generations/generation.js';
import type { SocketSession } from './socket-sessions.js';
import type { SocketReaders } from './socket-readers.js';

/** A link with which a socket reads, until it is over. */
export interface OpenLink {
  readonly caller: Caller;
  readonly session: Session;
}

type NoServerEvents = Record<string, never>;
/** What the server knows of a connected client. */
interface SocketData {
  caller: Caller;
  session: SocketSession;
  /** The links that it reads with, by generation; undefined before the first. */
  links: Map<string, OpenLink> | undefined;
  readers: SocketReaders;
  /** Generations of which it has told what its user felt. */
  reported: WeakSet<Generation> | undefined;
}
/** A client that is connected to the namespace `/events`. */
export type ClientSocket = Socket<
  ClientToServerEvents,
  ServerToClientEvents,
  NoServerEvents,
  SocketData
>;
/** The namespace `/events`. */
export type Clients = Namespace<
  ClientToServerEvents,
  ServerToClientEvents,
  NoServerEvents,
  SocketData
>;
