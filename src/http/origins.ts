import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../access/user-id.js';
import type { Config } from '../config/config.js';

type Settings = Pick<Config, 'HOST' | 'PORT' | 'SOCKET_PORT' | 'CORS_ORIGINS'>;

/**
 * Whether this request may have come from a page that we serve or trust, or from no page at all.
 *
 * A page may ask from an origin in `CORS_ORIGINS`. Besides, while only this machine can connect, from
 * any loopback origin, and the Host header must be a loopback name or the host of a listed origin:
 * another name is a rebound one (DNS rebinding). While others can connect, from the server's own
 * origin on either port. `null` is nobody's origin. A missing Origin proves nothing: a browser's own
 * `Sec-Fetch-Site` then tells a foreign page (Fetch Metadata, W3C).
 */
export function isAllowedRequest(request: IncomingMessage, settings: Settings): boolean {
  const { origin, host } = request.headers;
  const server = parse(`http://${host ?? ''}`);
  if (server === undefined) return false;
  const local = isLoopback(settings.HOST);
  const listed = settings.CORS_ORIGINS;
  if (
    local &&
    !isLoopbackName(server.hostname) &&
    !listed.some((trusted) => parse(trusted)?.host === server.host)
  ) {
    return false;
  }
  if (origin === undefined) {
    const { 'sec-fetch-site': site, 'sec-fetch-mode': mode } = request.headers;
    return site !== 'cross-site' || mode === 'navigate';
  }
  if (listed.includes(origin)) return true;
  const page = parse(origin);
  if (page === undefined || page.origin !== origin || !/^https?:$/.test(page.protocol))
    return false;
  if (local) return isLoopbackName(page.hostname);
  const ownPorts = [String(settings.PORT), String(settings.SOCKET_PORT), server.port];
  return page.hostname === server.hostname && ownPorts.includes(page.port);
}

/** A name that can only mean this machine (RFC 6761, section 6.3). */
function isLoopbackName(hostname: string): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '');
  return isLoopback(bare) || bare.endsWith('.localhost');
}

function parse(url: string): URL | undefined {
  return URL.canParse(url) ? new URL(url) : undefined;
}
