import { attachmentsOf, CONNECT, DISCONNECT, isHostile } from './packet-form.js';
import {
  type Connection,
  cutConnection,
  waitingFor,
  type WebSocketTransport,
} from './cut-connection.js';

/** Packets that a connection may send a second for long, and at once; also most of one polling payload. */
export const PACKETS_PER_SECOND = 200;
export const PACKET_BURST = 1_000;
/** Most packets that may wait for a client, records left out. */
export const MAX_WAITING_PACKETS = 1_000;
/** Bytes that a record's packet has at least: records wait only up to `SOCKET_BUFFER_BYTES`. */
const RECORD_BYTES = 128;

/** How long a WebSocket that we have closed may take for its own goodbye, in milliseconds. */
const GOODBYE_MS = 1_000;

/** `readyState` of a WebSocket that is over (WHATWG WebSockets, section 3.1). */
const CLOSED = 3;

interface Packet {
  type: string;
  data?: string | Buffer;
}

export interface PacketBounds {
  /** Most bytes of one message, its attachments included. */
  maxBytes: number;
  /** Bytes of records that may wait for the client. */
  bufferBytes: number;
  /** Called after each complete message. */
  onComplete(): void;
}

/**
 * Looks at every packet of one connection before Socket.IO decodes it, and at what waits for the
 * client. No client that means well comes near these bounds, so a connection over one is cut.
 */
export function limitPackets(connection: Connection, bounds: PacketBounds): void {
  const mostWaiting = MAX_WAITING_PACKETS + bounds.bufferBytes / RECORD_BYTES;
  const allowed = tokens();
  const connected = new Set<string>();
  let attachments = 0;
  let attachedBytes = 0;

  /** Whether the packet may be decoded. */
  const accepts = ({ data }: Packet): boolean => {
    // What waits besides records are answers to what the client sends.
    if (!allowed() || waitingFor(connection).length > mostWaiting) return false;
    if (data === undefined) return true;
    if (typeof data !== 'string') {
      attachments--;
      attachedBytes += data.length;
      return attachments >= 0 && attachedBytes <= bounds.maxBytes;
    }
    if (attachments > 0 || isHostile(data)) return false;
    attachments = attachmentsOf(data);
    attachedBytes = 0;
    // Until the first one is settled Socket.IO would take more, and make a socket of each.
    const namespace = /^[01](\/[^,]*)?/.exec(data)?.[1] ?? '/';
    if (data.startsWith(DISCONNECT)) connected.delete(namespace);
    else if (data.startsWith(CONNECT)) {
      if (connected.has(namespace)) return false;
      connected.add(namespace);
    }
    return true;
  };

  connection.on('packet', (packet: Packet) => {
    if (accepts(packet)) {
      if (attachments === 0) bounds.onComplete();
      return;
    }
    // Engine.IO hands it on after this event, whatever became of the connection.
    packet.type = 'noop';
    cutConnection(connection);
  });
  // `ws` waits half a minute for the other end to close, and reads on.
  connection.once('close', () => {
    const { socket } = connection.transport as WebSocketTransport;
    if (socket === undefined || socket.readyState === CLOSED) return;
    setTimeout(() => socket.terminate(), GOODBYE_MS).unref();
  });
  // Engine.IO answers every probe of a WebSocket that is to take over: a client sends one.
  let probed: WeakSet<object> | undefined;
  connection.on('upgrading', (transport: WebSocketTransport) => {
    probed ??= new WeakSet();
    if (probed.has(transport)) transport.socket?.terminate();
    probed.add(transport);
  });
  limitPayloads(connection);
}

/** A polling request is split into packets as a whole: they are counted before. */
function limitPayloads(connection: Connection): void {
  const transport = connection.transport as Connection['transport'] & {
    onData(data: string): void;
  };
  if (transport.name !== 'polling') return;
  const onData = transport.onData.bind(transport);
  transport.onData = (data) => {
    if (packetsIn(data) > PACKET_BURST) cutConnection(connection);
    else onData(data);
  };
}

/** Packets of a payload stand between record separators (Engine.IO protocol 4). */
function packetsIn(payload: string): number {
  let count = 1;
  for (let at = payload.indexOf('\u001e'); at !== -1; at = payload.indexOf('\u001e', at + 1)) {
    if (++count > PACKET_BURST) break;
  }
  return count;
}

/** A token bucket. @returns whether one more is allowed now */
function tokens(): () => boolean {
  let left = PACKET_BURST;
  let at = performance.now();
  return () => {
    const now = performance.now();
    left = Math.min(PACKET_BURST, left + ((now - at) / 1000) * PACKETS_PER_SECOND) - 1;
    at = now;
    return left >= 0;
  };
}
