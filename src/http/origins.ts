import type { IncomingMessage } from 'node:http';
import type { Config } from '../config/config.js';
import { isLoopback } from '../config/loopback.js';
import { isKnownHost, isLoopbackName } from './hosts.js';

type Settings = Pick<
  Config,
  'HOST' | 'PORT' | 'SOCKET_PORT' | 'CORS_ORIGINS' | 'ALLOWED_HOSTS' | 'PUBLIC_SOCKET_URL'
>;

/**
 * Whether this request may have come from a page that we serve or trust, or from no page at all.
 *
 * The Host header must name this server ({@link isKnownHost}). A page may ask from an origin in
 * `CORS_ORIGINS`, and from the server's own origin on either port; while only this machine can connect,
 * from any loopback origin. `null` is nobody's origin. A missing Origin proves nothing: a browser's own
 * `Sec-Fetch-Site` then tells a foreign page (Fetch Metadata, W3C).
 */
export function isAllowedRequest(request: IncomingMessage, settings: Settings): boolean {
  const { origin, host = '' } = request.headers;
  if (!isKnownHost(host, settings)) return false;
  if (origin === undefined) {
    const { 'sec-fetch-site': site, 'sec-fetch-mode': mode } = request.headers;
    return site !== 'cross-site' || mode === 'navigate';
  }
  if (isListed(origin, settings)) return true;
  const page = parse(origin);
  if (page === undefined || page.origin !== origin || !/^https?:$/.test(page.protocol))
    return false;
  if (isLoopback(settings.HOST) && isLoopbackName(page.hostname)) return true;
  const server = new URL(`http://${host}`);
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

function parse(url: string): URL | undefined {
  return URL.canParse(url) ? new URL(url) : undefined;
}
