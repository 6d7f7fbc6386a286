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

/** As Express reads the setting `trust proxy`. */
function trustOf(trusted: Settings['TRUST_PROXY']): (address: string, hop: number) => boolean {
  if (typeof trusted === 'boolean') return () => trusted;
  if (typeof trusted === 'number') return (_address, hop) => hop < trusted;
  return proxyaddr.compile(trusted);
}
