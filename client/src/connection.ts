import { CastError } from './cast-error.js';
import type { Refusal } from './protocol.js';

/** How the connection to the server is, at one moment. */
export interface Connection {
  /**
   * - `idle`: nothing has needed a connection yet
   * - `connecting`: it has not been there yet; `error` says why the last attempt failed
   * - `up`: it is there
   * - `down`: it was lost and comes back by itself
   * - `refused`: the server does not want this client; the next request tries again. Where it says
   *   that it may later (`rate_limited`), that is no end: it stays `connecting` or `down`
   * - `closed`: you have closed it
   */
  readonly state: 'idle' | 'connecting' | 'up' | 'down' | 'refused' | 'closed';
  /** Why the last attempt failed; undefined once it is up. */
  readonly error: CastError | undefined;
}

/** What engine.io-client says of a failed attempt, besides the message. */
interface TransportError extends Error {
  /** The HTTP status, where there was an answer. */
  description?: unknown;
  context?: { responseText?: unknown };
}

/** An attempt that failed on the network; others follow. */
export function failedAttempt(url: string, error: TransportError): CastError {
  const { description: status, context } = error;
  const answered = typeof status === 'number' && status > 0;
  const said = answered ? `HTTP ${status}${reasonOf(context?.responseText)}` : error.message;
  const message = `No connection to ${url}: ${said}.`;
  const code = status === 403 ? 'forbidden' : 'unreachable';
  return new CastError({ code, message, retryable: true }, error);
}

/** The server has refused the client itself. */
export function refusalOf(error: Error & { data?: unknown }): CastError {
  const { message } = error;
  const refusal = error.data as Refusal | undefined;
  return new CastError(refusal ?? { code: 'forbidden', message, retryable: false }, error);
}

/** Engine.IO and llm-cast both say the reason in JSON; a proxy's page is of no use here. */
function reasonOf(body: unknown): string {
  try {
    const { message } = JSON.parse(String(body)) as { message?: unknown };
    return typeof message === 'string' ? `, ${message}` : '';
  } catch {
    return '';
  }
}
