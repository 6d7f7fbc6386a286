import type { IncomingMessage } from 'node:http';
import type { Config } from '../config/config.js';
import { isLoopback } from '../config/loopback.js';

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
  const isNamed = ['http', 'https'].some((scheme) =>
    isListed(parse(`${scheme}://${host}`)?.origin ?? '', settings),
  );
  if (local && !isLoopbackName(server.hostname) && !isNamed) return false;
  if (origin === undefined) {
    const { 'sec-fetch-site': site, 'sec-fetch-mode': mode } = request.headers;
    return site !== 'cross-site' || mode === 'navigate';
  }
  if (isListed(origin, settings)) return true;
  const page = parse(origin);
  if (page === undefined || page.origin !== origin || !/^https?:$/.test(page.protocol))
    return false;
  if (local) return isLoopbackName(page.hostname);
  const ownPorts = [String(settings.PORT), String(settings.SOCKET_PORT), server.port];
  return page.hostname === server.hostname && ownPorts.includes(page.port);
}

/** Whether the operator named this origin in `CORS_ORIGINS`, by itself or by a `*.`. */
export function isListed(origin: string, { CORS_ORIGINS }: Pick<Config, 'CORS_ORIGINS'>): boolean {
  return CORS_ORIGINS.some((trusted) => matches(trusted, origin));
}

/** @param trusted as `CORS_ORIGINS` has it: a `*` stands for one label or more */
function matches(trusted: string, origin: string): boolean {
  const [before = '', after] = trusted.split('*');
  if (after === undefined) return trusted === origin;
  const name = origin.slice(before.length, -after.length);
  return origin === before + name + after && /^[\w-]+(\.[\w-]+)*$/.test(name);
}

/** A name that can only mean this machine (RFC 6761, section 6.3). */
function isLoopbackName(hostname: string): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '');
  return isLoopback(bare) || bare.endsWith('.localhost');
}

function parse(url: string): URL | undefined {
  return URL.canParse(url) ? new URL(url) : undefined;
}
