import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { AxiosAdapter, AxiosResponse } from 'axios';
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
 * compression. `timeout` bounds the time to connect, in milliseconds. A request on a kept connection
 * that the upstream had just closed is sent once more, on a connection of its own.
 */
export const upstreamAdapter: AxiosAdapter = (config) =>
  new Promise<AxiosResponse<IncomingMessage>>((resolve, reject) => {
    const url = new URL(config.url ?? '');
    const isSecure = url.protocol === 'https:';
    const open: typeof http.request = isSecure ? https.request : http.request;
    const kept = isSecure ? secure : plain;
    const fresh = (): http.Agent => (isSecure ? new SecureAgent() : new StreamingAgent());
    const method = (config.method ?? 'get').toUpperCase();
    const headers = config.headers.toJSON() as http.OutgoingHttpHeaders;
    const { signal } = config;

    const send = (isAgain: boolean): void => {
      const connecting = new AbortController();
      const options: http.RequestOptions & ConnectOptions = {
        method,
        headers,
        agent: isAgain ? fresh() : kept,
        givenUp: connecting.signal,
      };
      const request = open(url, options);
      let answered = false;
      let failure: NodeJS.ErrnoException | undefined;
      const stop = (why?: Error): void => {
        request.destroy(why);
        // A request that has no connection yet is over only when its agent is.
        connecting.abort(why);
      };
      const abort = (): void => stop();
      const connectTimer = setTimeout(() => stop(new ConnectTimeout()), config.timeout);

      request.once('socket', (socket) => {
        const isReady = request.reusedSocket || (!isSecure && !socket.connecting);
        if (isReady) clearTimeout(connectTimer);
        else {
          socket.once(isSecure ? 'secureConnect' : 'connect', () => clearTimeout(connectTimer));
        }
      });
      request.once('response', (body) => {
        answered = true;
        expectBody(body);
        // The reader of the body hears of its end by `end` or `close`.
        body.on('error', () => undefined);
        resolve({
          data: body,
          status: body.statusCode ?? 0,
          statusText: body.statusMessage ?? '',
          headers: body.headers as AxiosResponse['headers'],
          config,
          request,
        });
      });
      request.on('error', (error) => {
        failure = error;
      });
      request.once('close', () => {
        clearTimeout(connectTimer);
        signal?.removeEventListener?.('abort', abort);
        if (answered) return;
        const wasClosed = failure?.code === 'ECONNRESET' || failure?.code === 'EPIPE';
        if (request.reusedSocket && wasClosed && signal?.aborted !== true) send(true);
        else reject(failure ?? new Error('closed before an answer'));
      });
      signal?.addEventListener?.('abort', abort);
      request.end(config.data);
    };
    send(false);
  });
