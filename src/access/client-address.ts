import type { IncomingMessage } from 'node:http';
import proxyaddr from 'proxy-addr';
import type { Config } from '../config/config.js';
import { withoutPort } from './address.js';

type Settings = Pick<Config, 'TRUST_PROXY'>;

/** The address of a client: of the connection, or what the proxies that are trusted say (`TRUST_PROXY`). */
export function clientAddress(request: IncomingMessage, config: Settings): string {
  return proxyaddr(request, trustOf(config)) ?? '';
}

/**
 * An idempotency key as it is remembered. Behind a proxy that is not trusted all callers have its
 * address: what the proxy says of them keeps their keys apart.
 */
export function keyOf(
  key: string | undefined,
  { headers }: Pick<IncomingMessage, 'headers'>,
  { TRUST_PROXY: trusted }: Settings,
): string | undefined {
  if (key === undefined || trusted !== false) return key;
  const said = ['x-forwarded-for', 'forwarded', 'x-real-ip'].map((name) => headers[name] ?? '');
  return said.every((one) => one === '') ? key : JSON.stringify([key, ...said]);
}

/**
 * The setting `trust proxy` of Express: a number and a boolean as they are. The proxies of a list are known
 * also where another proxy tells the ports of their connections.
 */
export function trustProxy({
  TRUST_PROXY: trusted,
}: Settings): boolean | number | ((address: string, hop: number) => boolean) {
  if (!Array.isArray(trusted)) return trusted;
  const isListed = proxyaddr.compile(trusted);
  return (address, hop) => isListed(withoutPort(address), hop);
}

/** As Express reads that. */
function trustOf(config: Settings): (address: string, hop: number) => boolean {
  const trusted = trustProxy(config);
  if (typeof trusted === 'boolean') return () => trusted;
  if (typeof trusted === 'number') return (_address, hop) => hop < trusted;
  return trusted;
}
