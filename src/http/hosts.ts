import { isIP } from 'node:net';
import type { Config } from '../config/config.js';
import { isLoopback } from '../config/loopback.js';

type Settings = Pick<Config, 'HOST' | 'ALLOWED_HOSTS' | 'CORS_ORIGINS' | 'PUBLIC_SOCKET_URL'>;

/** The host name in an origin, which may begin with `*.`. */
const HOST_OF = /^https?:\/\/(\[[^\]]*\]|[^:/]+)/;

/** The name that came last, by the settings that know it. */
const lastKnown = new WeakMap<Settings, string>();

/**
 * Whether a Host header names this server. A page that is served under a name of an attacker, which then
 * leads here (DNS rebinding), is of the same origin as this server to its browser: only the name tells.
 * Known are loopback names, the hosts of `CORS_ORIGINS` and `PUBLIC_SOCKET_URL`, those in
 * `ALLOWED_HOSTS`, and, while others than this machine can connect, every IP address: it cannot be
 * rebound.
 */
export function isKnownHost(host: string, settings: Settings): boolean {
  // Mostly the same again. To parse it takes 30 µs where nothing is in the processor's caches.
  if (lastKnown.get(settings) === host) return true;
  if (!names(host, settings)) return false;
  lastKnown.set(settings, host);
  return true;
}

function names(host: string, settings: Settings): boolean {
  const url = `http://${host}`;
  if (!URL.canParse(url)) return false;
  const { hostname } = new URL(url);
  if (isLoopbackName(hostname)) return true;
  const { HOST, ALLOWED_HOSTS, CORS_ORIGINS, PUBLIC_SOCKET_URL = '' } = settings;
  const named = [...CORS_ORIGINS, PUBLIC_SOCKET_URL].map((url) => HOST_OF.exec(url)?.[1] ?? '');
  if ([HOST, ...ALLOWED_HOSTS, ...named].some((name) => matches(name.toLowerCase(), hostname))) {
    return true;
  }
  return !isLoopback(HOST) && isIP(bare(hostname)) !== 0;
}

/** A name that can only mean this machine (RFC 6761, section 6.3). */
export function isLoopbackName(hostname: string): boolean {
  return isLoopback(bare(hostname)) || hostname.endsWith('.localhost');
}

/** @param known a name, `*.` and a name that it is below, or `*` for any */
function matches(known: string, hostname: string): boolean {
  if (known === '*') return true;
  return known.startsWith('*.') ? hostname.endsWith(known.slice(1)) : known === hostname;
}

/** An IPv6 address without its brackets. */
function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}
