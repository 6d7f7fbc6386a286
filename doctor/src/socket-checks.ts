import { type Answer, ask, describe, isBrowser, isGatewayError } from './ask.js';
import { connect, type Connection, NotConnected, unlessLost, upgraded } from './connection.js';
import { Failure, failed, ok, skipped, type Verdict, warning } from './finding.js';
import type { Patient } from './patient.js';
import {
  allowOrigin,
  behindTls,
  CREDENTIALS,
  DISTANCE,
  FULL,
  IDLE,
  passCors,
  publicSocketUrl,
  socketLocation,
  STICKY,
  WAIT,
} from './remedies.js';

/** engine.io's error codes, in the JSON of a refusal. */
const ENGINE = { unknownTransport: 0, unknownSession: 1, forbidden: 4 } as const;
const HANDSHAKE = '/socket.io/?EIO=4&transport=';
const ROUND_TRIPS = 10;
/** A median over it is felt. */
const SLOW_MS = 500;
/** Has the form of one, and names none. */
const NO_GENERATION = 'doctor'.padEnd(22, '-');

/** Socket.IO answers where the page looks for it. */
export async function checkSocket(patient: Patient, signal: AbortSignal): Promise<Verdict> {
  const { socketUrl, restUrl } = patient;
  if (isMixed(restUrl, socketUrl)) {
    return failed(
      `Browsers open no connection to ${socketUrl} from a page that came over https.`,
      publicSocketUrl(
        new URL(restUrl).origin,
        'Serve Socket.IO over https too, best behind the same proxy.',
      ),
    );
  }
  try {
    const answer = await ask(socketUrl + HANDSHAKE + 'polling', { signal });
    if (!isSocketIo(answer)) throw notSocketIo(patient, answer);
    patient.offersPolling = answer.json?.['code'] !== ENGINE.unknownTransport;
    return ok(`It answers at ${socketUrl}.`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return elsewhere(patient, error, signal);
  }
}

/** llm-cast, and what is before it, lets pages of that origin in by every door. */
export async function checkOrigin(patient: Patient, signal: AbortSignal): Promise<Verdict> {
  const { origin, restUrl, socketUrl, offersPolling, token } = patient;
  const headers = { origin };
  const doors: [string, string, Answer][] = [];
  // A browser asks that by itself, where it has to.
  if (!isBrowser && origin !== new URL(restUrl).origin) {
    const preflight = {
      ...headers,
      'access-control-request-method': 'POST',
      'access-control-request-headers':
        token === undefined ? 'content-type' : 'authorization,content-type',
    };
    const init = { method: 'OPTIONS', headers: preflight, signal };
    doors.push(['REST', restUrl, await ask(`${restUrl}/llm/generate`, init)]);
  }
  // It is no request that starts anything: the origin is looked at first.
  const post = { method: 'POST', headers: { ...headers, 'content-type': 'application/json' } };
  const generate = await patient.rest('/llm/generate', { ...post, body: '{}', signal });
  doors.push(['REST', restUrl, generate]);
  if (generate.json?.['code'] !== 'invalid_request' && generate.json?.['code'] !== 'forbidden') {
    return failed(
      `Something before llm-cast answers requests in its place (${describe(generate)}).`,
      {
        how: 'Let the proxy pass POST requests with a JSON body on.',
      },
    );
  }
  if (offersPolling) {
    const handshake = await ask(socketUrl + HANDSHAKE + 'polling', { headers, signal });
    doors.push(['Socket.IO', socketUrl, handshake]);
  }
  for (const [door, url, { json, headers }] of doors) {
    if (json?.['code'] === 'forbidden' || json?.['code'] === ENGINE.forbidden) {
      return json['message'] === 'too many connections'
        ? failed('Socket.IO has as many connections as it may.', FULL)
        : failed(`${door} refuses pages of ${origin}.`, allowOrigin(origin));
    }
    const isOwn = origin === new URL(url).origin;
    const allowed = headers.get('access-control-allow-origin');
    // A browser lets nobody see that header, and nothing of the answer without it.
    if (!isBrowser && !isOwn && allowed !== origin && allowed !== '*') {
      return failed(
        `Answers of ${door} reach no page of ${origin}: their CORS headers are ${allowed === null ? 'missing' : `for ${allowed}`}.`,
        passCors(origin),
      );
    }
  }
  return ok(`Pages of ${origin} are let in.`);
}

export async function checkPolling(patient: Patient): Promise<Verdict> {
  if (!patient.offersPolling) return skipped(TURNED_OFF);
  try {
    patient.polling = await connect(patient, ['polling']);
  } catch (error) {
    return notConnected(error, patient, 'HTTP requests');
  }
  return ok('A connection over HTTP requests works.');
}

export async function checkWebSocket(patient: Patient, signal: AbortSignal): Promise<Verdict> {
  const { socketUrl } = patient;
  const plain = await ask(socketUrl + HANDSHAKE + 'websocket', { signal });
  if (plain.json?.['code'] === ENGINE.unknownTransport) return skipped(TURNED_OFF);
  try {
    patient.websocket = await connect(patient, ['websocket']);
  } catch (error) {
    return notConnected(error, patient, 'WebSocket');
  }
  return ok('A direct WebSocket works.');
}

export async function checkUpgrade(patient: Patient): Promise<Verdict> {
  try {
    patient.upgraded = await connect(patient, ['polling', 'websocket'], upgraded);
  } catch (error) {
    if (!(error instanceof NotConnected)) throw error;
    return failed(
      'A connection that begins with polling stays there: the request for its upgrade fails.',
      STICKY,
    );
  }
  return ok('A connection begins with polling and becomes a WebSocket.');
}

/** The time that each message takes, there and back. */
export async function checkPing({ connection }: Patient): Promise<Verdict> {
  if (connection === undefined) return skipped('Not checked: there is no connection.');
  const { socket } = connection;
  const times: number[] = [];
  for (let trip = 0; trip < ROUND_TRIPS; trip++) {
    const since = performance.now();
    await unlessLost(connection, socket.emitWithAck('leave', { generationId: NO_GENERATION }));
    times.push(performance.now() - since);
  }
  times.sort((one, other) => one - other);
  const median = Math.round(times[ROUND_TRIPS / 2]!);
  const said = `${median} ms there and back in the median, ${Math.round(times.at(-1)!)} ms at worst (${ROUND_TRIPS} round trips over ${socket.io.engine.transport.name}).`;
  return median > SLOW_MS ? warning(said, DISTANCE) : ok(said);
}

/** A connection outlives its silences: Socket.IO breaks them with a heartbeat, every 10 s. */
export async function checkIdle({ polling, websocket }: Patient): Promise<Verdict> {
  const watched: [string, Connection | undefined][] = [
    ['polling', polling],
    ['WebSocket', websocket],
  ];
  const fates = await Promise.all(
    watched.flatMap(([name, connection]) =>
      connection === undefined ? [] : [connection.quiet.then((fate) => ({ name, ...fate }))],
    ),
  );
  if (fates.length === 0) return skipped('Not checked: there is no connection.');
  const lost = fates.find(({ isAlive }) => !isAlive);
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  const longest = seconds(Math.max(...fates.map(({ afterMs }) => afterMs)));
  return lost === undefined
    ? ok(`Unused connections stayed open until the server's heartbeat (${longest}).`)
    : failed(
        `An unused ${lost.name} connection was cut after ${seconds(lost.afterMs)}, before the server's heartbeat.`,
        IDLE,
      );
}

const TURNED_OFF = 'Turned off on the server (SOCKET_TRANSPORTS).';

/** Whether a browser forbids the connection. It trusts this machine whatever the scheme. */
function isMixed(restUrl: string, socketUrl: string): boolean {
  const { protocol, hostname } = new URL(socketUrl);
  const isLocal = /^(localhost|127\..*|\[::1\]|.*\.localhost)$/.test(hostname);
  return restUrl.startsWith('https:') && protocol === 'http:' && !isLocal;
}

/** A handshake, or engine.io's own refusal of one. */
const isSocketIo = ({ text, json }: Answer): boolean =>
  text.startsWith('0{') || (typeof json?.['code'] === 'number' && 'message' in json);

/** Where the socket's address is wrong, it is often the one of REST that is right, or could be. */
async function elsewhere(
  { restUrl, socketUrl, page }: Patient,
  { message, mend }: Failure,
  signal: AbortSignal,
): Promise<Verdict> {
  const { origin, protocol } = new URL(restUrl);
  if (restUrl === socketUrl || mend === CREDENTIALS) return failed(message, mend);
  const there = await ask(restUrl + HANDSHAKE + 'polling', { signal }).catch(() => undefined);
  if (there !== undefined && isSocketIo(there)) {
    return failed(
      `${message} Pages look for Socket.IO there, but it answers at ${restUrl}.`,
      publicSocketUrl(origin, 'The address of REST serves both.'),
    );
  }
  return failed(message, protocol === 'https:' ? behindTls(origin, page?.socketPort ?? 0) : mend);
}

/** What it may be that answers in place of Socket.IO. */
function notSocketIo({ socketUrl, page }: Patient, answer: Answer): Failure {
  const mend = socketLocation(page?.socketPort ?? 0);
  if (answer.json?.['code'] === 'not_found') {
    return new Failure(`Requests for Socket.IO reach the REST port of llm-cast.`, mend);
  }
  if (isGatewayError(answer)) {
    return new Failure(
      `A proxy answers at ${socketUrl} (${answer.status}): it does not reach the port of Socket.IO.`,
      mend,
    );
  }
  return new Failure(
    `Something answers at ${socketUrl}/socket.io/ that is not Socket.IO (${describe(answer)}).`,
    mend,
  );
}

function notConnected(error: unknown, { page, origin }: Patient, over: string): Verdict {
  if (!(error instanceof NotConnected)) throw error;
  const { message, status, text } = error;
  const location = socketLocation(page?.socketPort ?? 0);
  if (message === 'Invalid namespace') {
    return failed('A Socket.IO server answers that is not llm-cast: it has no /events.', location);
  }
  if (text.includes(`"code":${ENGINE.unknownSession},`)) {
    return failed('A connection is forgotten between its requests.', STICKY);
  }
  if (status === 403)
    return failed(`Pages of ${origin} are refused over ${over}.`, allowOrigin(origin));
  if (message === 'timeout') {
    return failed(
      `No connection over ${over} was made in time.`,
      over === 'WebSocket' ? location : WAIT,
    );
  }
  const why = status === undefined ? '' : ` (${status})`;
  return over === 'WebSocket'
    ? failed(`No WebSocket can be opened${why}: a proxy does not pass the upgrade on.`, location)
    : failed(`A connection over ${over} breaks${why}: ${message}.`, location);
}
