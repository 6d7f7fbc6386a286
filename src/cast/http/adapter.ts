import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { AxiosAdapter, AxiosResponse, InternalAxiosRequestConfig } from 'axios';
import type { StopSignal } from '../stop-signal.js';
import { type ConnectOptions, expectBody, SecureAgent, StreamingAgent } from './agent.js';

const plain = new StreamingAgent({ keepAlive: true });
const secure = new SecureAgent({ keepAlive: true });

/** The upstream did not accept a connection within `CONNECT_TIMEOUT_MS`. */
export class ConnectTimeout extends Error {
  override readonly name = 'ConnectTimeout';
}

/**
 * Sends axios requests over node:http. axios's own adapter cannot tell when an aborted request is
 * really over; this one settles a request that got no answer only on its `close`, when its socket is
 * gone. It resolves with the headers and the unread body, whatever the status. It follows no
 * redirect (a key must not travel to another host), uses no proxy of the environment and decodes no
 * compression. `timeout` bounds the time to connect, in milliseconds; `cancelToken` is a {@link StopSignal}. A
 * request on a kept connection that the upstream had just closed is sent once more, on a connection of
 * its own.
 */
export const upstreamAdapter: AxiosAdapter = async (config) => {
  const { request, body } = (await send(config, false)) ?? (await send(config, true))!;
  return {
    data: body,
    status: body.statusCode ?? 0,
    statusText: body.statusMessage ?? '',
    headers: body.headers as AxiosResponse['headers'],
    config,
    request,
  };
};

/** @returns undefined where a kept connection was closed before an answer: never on one of its own */
function send(config: InternalAxiosRequestConfig, isAgain: boolean): Promise<Answered | undefined> {
  const url = new URL(config.url ?? '');
  const isSecure = url.protocol === 'https:';
  const connecting: Connecting = { giveUp: undefined };
  const options: http.RequestOptions & ConnectOptions = {
    method: (config.method ?? 'get').toUpperCase(),
    headers: config.headers.toJSON(),
    agent: isAgain ? freshAgent(isSecure) : isSecure ? secure : plain,
    onConnecting: (giveUp) => (connecting.giveUp = giveUp),
  };
  const request = (isSecure ? https : http).request(url, options);
  const signal = config.cancelToken as unknown as StopSignal;
  const answered = answerOf(request, { isSecure, connecting, signal, connectMs: config.timeout });
  request.end(config.data);
  return answered;
}

function freshAgent(isSecure: boolean): http.Agent {
  return isSecure ? new SecureAgent() : new StreamingAgent();
}

interface Answered {
  readonly request: ClientRequest;
  readonly body: IncomingMessage;
}

interface Connecting {
  /** Set where a connection is made by name. */
  giveUp: ((why: Error) => void) | undefined;
}

interface Asked {
  readonly isSecure: boolean;
  readonly connecting: Connecting;
  readonly signal: StopSignal;
  /** Longest time to connect, in milliseconds. */
  readonly connectMs: number | undefined;
}

/**
 * What listens here lives as long as the answer is read. So it is apart from `config`, which it would
 * keep in memory: a prompt may be large.
 */
function answerOf(
  request: ClientRequest,
  { isSecure, connecting, signal, connectMs }: Asked,
): Promise<Answered | undefined> {
  return new Promise((resolve, reject) => {
    let answered = false;
    let failure: NodeJS.ErrnoException | undefined;
    const stop = (why?: Error): void => {
      request.destroy(why);
      // A request that has no connection yet is over only when its agent is.
      connecting.giveUp?.(why ?? new Error('given up'));
    };
    let connectTimer: NodeJS.Timeout | undefined;
    connectTimer = setTimeout(() => stop(new ConnectTimeout()), connectMs);
    const connected = (): void => {
      clearTimeout(connectTimer);
      connectTimer = undefined;
    };

    // Each of these comes once; `once` would cost memory for as long as the answer is read.
    request.on('socket', (socket) => {
      const isReady = request.reusedSocket || (!isSecure && !socket.connecting);
      if (isReady) connected();
      else socket.once(isSecure ? 'secureConnect' : 'connect', connected);
    });
    request.on('response', (body) => {
      answered = true;
      expectBody(body);
      // The reader of the body hears of its end by `end` or `close`.
      body.on('error', () => undefined);
      resolve({ request, body });
    });
    request.on('error', (error) => {
      failure = error;
    });
    request.on('close', () => {
      connected();
      signal.forget();
      if (answered) return;
      const wasClosed = failure?.code === 'ECONNRESET' || failure?.code === 'EPIPE';
      if (request.reusedSocket && wasClosed && !signal.isStopped) resolve(undefined);
      else reject(failure ?? new Error('closed before an answer'));
    });
    signal.watch(stop);
  });
}
