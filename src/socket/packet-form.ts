import { measureJson, refuseLarge } from '../protocol/json-values.js';

/** Most characters before the JSON of a packet: its type, its attachments, its namespace, its ack's id. */
const MAX_HEAD_CHARS = 256;
/** Most characters of a CONNECT, which has `auth` in it: a socket keeps that. */
export const MAX_CONNECT_CHARS = 8_192;

/** The types of Socket.IO's packets that matter here (protocol 5). */
export const CONNECT = '0';
export const DISCONNECT = '1';

/**
 * Whether a packet has a form that no client of ours sends, and that costs more than it is worth to
 * decode it.
 */
export function isHostile(packet: string): boolean {
  if (packet.startsWith(CONNECT) && packet.length > MAX_CONNECT_CHARS) return true;
  const json = packet.slice(0, MAX_HEAD_CHARS).search(/[[{]/);
  if (json === -1) return packet.length > MAX_HEAD_CHARS;
  return refuseLarge(measureJson(packet, json)) !== undefined;
}

/** How many binary attachments a packet announces; each is a packet of its own. */
export function attachmentsOf(packet: string): number {
  return Number(/^[56](\d{1,9})-/.exec(packet)?.[1] ?? 0);
}
