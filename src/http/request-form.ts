import type { IncomingMessage } from 'node:http';
import { CastError, ERRORS } from '../protocol/errors.js';

/** Most header lines of a request; Node itself bounds their bytes to 16 KiB. */
export const MAX_HEADERS = 100;
/** A host name, an IPv4 address or an IPv6 one in brackets, and a port (RFC 9110, section 7.2). */
const HOST = /^(\[[0-9a-f:.]+\]|[\w.-]+)(:\d{1,5})?$/i;
/** Two of these contradict each other: Node takes the first, the proxy in front perhaps the last. */
const SINGLE = new Set([
  'host',
  'origin',
  'authorization',
  'content-type',
  'content-length',
  'idempotency-key',
]);

/** What is wrong with the form of a request, whatever it asks for. */
interface Fault {
  error: CastError;
  status: number;
}

/**
 * Looks at what every request has: its target, its headers, the encoding of its body. Neither server
 * lets a route see a request that has a fault here.
 */
export function faultOf({ url = '', headers, rawHeaders }: IncomingMessage): Fault | undefined {
  if (rawHeaders.length / 2 > MAX_HEADERS) {
    const error = new CastError('payload_too_large', {
      message: `The request has more than ${MAX_HEADERS} headers.`,
    });
    return { error, status: 431 };
  }
  // The absolute form names a host of its own, and is for proxies; `*` is for servers as a whole.
  if (!url.startsWith('/')) return malformed('The request target must be a path.');
  const repeated = repeatedHeader(rawHeaders);
  if (repeated !== undefined) return malformed(`There is more than one ${repeated} header.`);
  if (headers.host !== undefined && !HOST.test(headers.host)) {
    return malformed('The Host header is no host name.');
  }
  // A small compressed body may be a large one.
  if ((headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity') {
    const error = new CastError('unsupported_media_type', {
      message: 'The body must be sent without a content encoding.',
    });
    return { error, status: ERRORS.unsupported_media_type.status };
  }
  return undefined;
}

function malformed(message: string): Fault {
  return { error: new CastError('invalid_request', { message }), status: 400 };
}

function repeatedHeader(rawHeaders: readonly string[]): string | undefined {
  const seen = new Set<string>();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? '';
    if (SINGLE.has(name) && seen.has(name)) return name;
    seen.add(name);
  }
  return undefined;
}
