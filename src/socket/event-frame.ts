import type { Entry } from '../generations/log/entry.js';
import { ifTaken } from '../http/stall-watch.js';
import type { StreamRecord } from '../protocol/records.js';
import type { StreamState } from '../protocol/stream-state.js';
import type { Connection } from './cut-connection.js';
import type { RecordRenderer } from './record-renderer.js';
import type { SocketGate } from './socket-gate.js';

/** An event of namespace `/events`, as Socket.IO's text and as a whole WebSocket frame. */
interface EventFrame {
  readonly text: string;
  readonly frame: Buffer;
}

/** Sends a state as a `streamState` event. */
export function sendState(connection: Connection, gate: SocketGate, state: StreamState): void {
  send(connection, gate, frameOf('streamState', state));
}

function frameOf(name: string, body: StreamRecord | StreamState): EventFrame {
  const text = `2/events,["${name}",${JSON.stringify(body)}]`;
  return { text, frame: textFrame(text) };
}

/**
 * Sends an event: what `socket.emit` does. To a client that keeps up it goes past engine.io, whose buffer
 * and events took 7 % of the CPU of a token. To others it goes as `wsPreEncodedFrame`, which is how
 * Socket.IO's own in-memory adapter does it; polling, and a WebSocket with compression, take the text.
 * @param onTaken called when the connection has taken it
 */
function send(
  connection: Connection,
  gate: SocketGate,
  { text, frame }: EventFrame,
  onTaken?: () => void,
): void {
  const straight = gate.straightFor(frame.length);
  if (straight !== undefined) straight.write(frame, ifTaken(straight, onTaken));
  else {
    const options = { wsPreEncodedFrame: [frame], compress: false };
    connection.write(text, options, onTaken);
  }
}

/** Longer ones are not kept for the next reader: nothing tells when the last one had it. */
const MAX_KEPT_CHARS = 65_536;

/**
 * The entry that was sent last, encoded: every reader that keeps up is given the same object, one
 * after the other.
 */
let latest: { entry: Entry; frame: EventFrame } | undefined;

/**
 * Sends an entry as a `streamData` event, without encoding it once more for each reader and once more for
 * the WebSocket, which took 8 % of the CPU of a token (`npm run bench`, 500x40).
 * @param onTaken called when the connection has taken it
 */
export function sendRecord(
  connection: Connection,
  gate: SocketGate,
  entry: Entry,
  renderer: RecordRenderer,
  onTaken?: () => void,
): void {
  const encoded =
    latest?.entry === entry
      ? latest
      : { entry, frame: frameOf('streamData', renderer.render(entry)) };
  latest = encoded.frame.text.length <= MAX_KEPT_CHARS ? encoded : undefined;
  send(connection, gate, encoded.frame, onTaken);
}

/** An unmasked WebSocket text frame (RFC 6455, section 5.2) with an engine.io message. */
function textFrame(message: string): Buffer {
  const length = 1 + Buffer.byteLength(message);
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(head + length);
  frame[0] = 0x81;
  if (head === 2) frame[1] = length;
  else if (head === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame[head] = 0x34;
  frame.write(message, head + 1);
  return frame;
}
