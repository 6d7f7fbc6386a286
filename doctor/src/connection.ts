import { io, type Socket } from 'socket.io-client';
import type { ClientToServerEvents, ServerToClientEvents } from 'llm-cast-client';
import { isBrowser } from './ask.js';
import { Failure } from './finding.js';
import type { Patient } from './patient.js';
import { CUT, ofRefusal } from './remedies.js';
import { ioAddress } from './socket-url.js';

export type ClientSocket = Socket<
  Pick<ServerToClientEvents, 'streamData'>,
  Pick<ClientToServerEvents, 'generate' | 'leave'>
>;

/** How a connection fares that nobody uses. */
export type Quiet = { isAlive: true } | { isAlive: false; reason: string };

export interface Connection {
  socket: ClientSocket;
  /** Resolves at the first heartbeat of the server, or when the connection is lost. */
  quiet: Promise<Quiet & { afterMs: number }>;
  /** Rejects with a `Failure` when the connection is lost. */
  lost: Promise<never>;
}

type Transport = 'polling' | 'websocket';

/** A connection was not made. */
export class NotConnected extends Error {
  constructor(
    message: string,
    /** Of the HTTP answer, where there was one. */
    readonly status: number | undefined,
    readonly text: string,
  ) {
    super(message);
  }
}

/** Shorter than the limit of the checks, so that they can say more than that there was no answer. */
const CONNECT_MS = 6_000;

/**
 * Connects as a page does, to namespace `/events`.
 * @param isReady may want more than a connection, such as its upgrade
 * @throws NotConnected
 * @throws Failure where llm-cast itself refuses it, and says why
 */
export async function connect(
  patient: Patient,
  transports: Transport[],
  isReady: (socket: ClientSocket) => Promise<void> = connected,
): Promise<Connection> {
  const { url, path } = ioAddress(patient.socketUrl);
  const socket: ClientSocket = io(url, {
    path,
    transports,
    forceNew: true,
    reconnection: false,
    timeout: CONNECT_MS,
    auth: { token: patient.token },
    // A browser sends its own, and complains of another one.
    ...(!isBrowser && { extraHeaders: { origin: patient.origin } }),
  });
  const connection = { socket, quiet: watch(socket), lost: loss(socket) };
  patient.keep(connection);
  await new Promise<void>((resolve, reject) => {
    const tooLong = (): void => reject(new NotConnected('timeout', undefined, ''));
    const timer = setTimeout(tooLong, CONNECT_MS);
    socket.once('connect_error', (error) => reject(refusal(error) ?? notConnected(error)));
    isReady(socket)
      .then(resolve, (error: Error) => reject(notConnected(error)))
      .finally(() => clearTimeout(timer));
  });
  return connection;
}

/**
 * What comes of work that needs the connection all the time: socket.io never settles what was asked
 * after the loss, and what was asked before it fails in its own words.
 * @throws Failure when the connection is lost
 */
export function unlessLost<T>({ lost }: Connection, work: Promise<T>): Promise<T> {
  return Promise.race([lost, work]);
}

function connected(socket: ClientSocket): Promise<void> {
  return new Promise((resolve) => socket.once('connect', resolve));
}

/** Connected, and upgraded from polling to WebSocket. */
export async function upgraded(socket: ClientSocket): Promise<void> {
  const { engine } = socket.io;
  const upgrade = new Promise<void>((resolve, reject) => {
    engine.once('upgrade', () => resolve());
    engine.once('upgradeError', reject);
  });
  await Promise.all([connected(socket), upgrade]);
}

function watch(socket: ClientSocket): Connection['quiet'] {
  const since = performance.now();
  return new Promise((resolve) => {
    const end = (fate: Quiet): void => resolve({ ...fate, afterMs: performance.now() - since });
    socket.io.once('ping', () => end({ isAlive: true }));
    socket.once('disconnect', (reason) => end({ isAlive: false, reason }));
  });
}

function loss(socket: ClientSocket): Promise<never> {
  const lost = new Promise<never>((_resolve, reject) => {
    socket.once('disconnect', (reason) =>
      reject(new Failure(`The connection was cut in the middle (${reason}).`, CUT)),
    );
  });
  // Most are lost when nobody needs them any more.
  lost.catch(() => undefined);
  return lost;
}

/** What llm-cast says of a client that may not connect, which Socket.IO hands on; undefined for any other error. */
function refusal({ data }: Error & { data?: unknown }): Failure | undefined {
  const { code, message } = (data ?? {}) as { code?: unknown; message?: unknown };
  return typeof code === 'string'
    ? new Failure(`llm-cast refuses the connection: ${String(message)}`, ofRefusal(code))
    : undefined;
}

/** engine.io's error: what it holds depends on the transport, and on the platform. */
function notConnected(
  error: Error & {
    description?: unknown;
    context?: { responseText?: string } | undefined;
  },
): NotConnected {
  const { description, context } = error;
  const said = (description as { message?: unknown } | undefined)?.message;
  const ofWebSocket = /Unexpected server response: (\d+)/.exec(String(said))?.[1];
  const status = typeof description === 'number' ? description : Number(ofWebSocket ?? 0);
  return new NotConnected(
    error.message,
    status === 0 ? undefined : status,
    context?.responseText ?? '',
  );
}
