import { Failure } from './finding.js';
import { CREDENTIALS, otherScheme, START, TOKEN, UNREADABLE } from './remedies.js';

/** A whole HTTP answer. */
export interface Answer {
  /** The address that answered, after redirects. */
  url: string;
  status: number;
  headers: Headers;
  text: string;
  /** The body, where it is JSON; otherwise undefined. */
  json: Record<string, unknown> | undefined;
  /** How long it took, in milliseconds. */
  ms: number;
}

/** A browser hides why a request failed, and sends its own Origin whatever it is told. */
export const isBrowser = 'document' in globalThis;

/** @throws Failure where there is no answer */
export async function ask(url: string, init: RequestInit): Promise<Answer> {
  const since = performance.now();
  const response = await request(url, init);
  const text = await response.text().catch((error: unknown) => failure(url, init, error));
  const ms = performance.now() - since;
  const { url: answered, status, headers } = response;
  return { url: answered, status, headers, text, json: parse(text), ms };
}

/** As `ask`, without its body. @throws Failure */
export async function request(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init).catch((error: unknown) => failure(url, init, error));
  if (response.status === 401) throw await unauthorized(response);
  return response;
}

async function failure(url: string, { signal }: RequestInit, error: unknown): Promise<never> {
  signal?.throwIfAborted();
  throw isBrowser ? await seenFromPage(url) : seenFromHere(url, error);
}

/** What an answer is that is not the expected one: `404, text/html`. */
export function describe({ status, headers, json }: Answer): string {
  const kind = typeof json?.['code'] === 'string' ? json['code'] : headers.get('content-type');
  return [status, kind?.split(';')[0]].filter(Boolean).join(', ');
}

/** That of a proxy that does not reach what is behind it. */
export const isGatewayError = ({ status }: Answer): boolean => [502, 503, 504].includes(status);

function parse(text: string): Answer['json'] {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** What llm-cast says of a credential, or of none; else it is a proxy that asks. */
async function unauthorized(response: Response): Promise<Failure> {
  const { code, message } = parse(await response.text().catch(() => '')) ?? {};
  return code === 'unauthorized' || code === 'auth_expired'
    ? new Failure(`llm-cast does not serve this caller: ${String(message)}`, TOKEN)
    : credentialsAsked(response.url, 401);
}

function credentialsAsked(url: string, status: number): Failure {
  const { host } = new URL(url);
  return new Failure(`A proxy at ${host} asks for credentials (${status}).`, CREDENTIALS);
}

async function seenFromPage(url: string): Promise<Failure> {
  const { host } = new URL(url);
  try {
    await fetch(url, { mode: 'no-cors' });
  } catch {
    return new Failure(`Nothing answers at ${host}.`, START);
  }
  return new Failure(
    `Something answers at ${host}, but this page may not read what. It is another server, or a proxy takes the CORS headers away.`,
    UNREADABLE,
  );
}

/** `cause.code` of what Node's `fetch` throws. */
function seenFromHere(url: string, error: unknown): Failure {
  const { host, hostname, protocol } = new URL(url);
  const { code = '', message = String(error) } = ((error as Error).cause ?? {}) as {
    code?: string;
    message?: string;
  };
  // `fetch` keeps that answer for itself: it is an error without a word, and the only one.
  if (code === '' && message === '') return credentialsAsked(url, 407);
  if (code === 'ECONNREFUSED') {
    return new Failure(`Nothing listens at ${host}: the connection was refused.`, START);
  }
  if (['ENOTFOUND', 'EAI_AGAIN'].includes(code)) {
    return new Failure(`The name ${hostname} is not known here.`, {
      how: 'Check the name, and its DNS entry.',
    });
  }
  if (/^ERR_SSL|^EPROTO/.test(code)) {
    return new Failure(`${host} does not speak TLS.`, otherScheme(`http://${host}`));
  }
  if (/CERT|SIGNATURE/.test(code)) {
    return new Failure(`The TLS certificate of ${host} is not accepted: ${message}.`, {
      how: 'Give the proxy a certificate for this name, with its whole chain. Your own authority is trusted with:',
      lines: 'NODE_EXTRA_CA_CERTS=/path/to/ca.pem',
    });
  }
  if (protocol === 'http:' && ['UND_ERR_SOCKET', 'ECONNRESET'].includes(code)) {
    return new Failure(
      `${host} hangs up without an answer. It may expect TLS.`,
      otherScheme(`https://${host}`),
    );
  }
  return new Failure(`${host} cannot be reached: ${message}.`, START);
}
