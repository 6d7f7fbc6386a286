import type { IncomingMessage } from 'node:http';
import proxyaddr from 'proxy-addr';
import type { Config } from '../config/config.js';

type Settings = Pick<Config, 'TRUST_PROXY'>;

/** The address of a client: of the connection, or what the proxies that are trusted say (`TRUST_PROXY`). */
export function clientAddress(
  request: IncomingMessage,
  { TRUST_PROXY: trusted }: Settings,
): string {
  return proxyaddr(request, trustOf(trusted)) ?? '';
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

/** As Express reads the setting `trust proxy`. */
function trustOf(trusted: Settings['TRUST_PROXY']): (address: string, hop: number) => boolean {
  if (typeof trusted === 'boolean') return () => trusted;
  if (typeof trusted === 'number') return (_address, hop) => hop < trusted;
  return proxyaddr.compile(trusted);
}
