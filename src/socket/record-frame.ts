import type { Entry } from '../generations/log/entry.js';
import { ifTaken } from '../http/stall-watch.js';
import type { Connection } from './cut-connection.js';
import type { RecordRenderer } from './record-renderer.js';
import type { SocketGate } from './socket-gate.js';

/** Longer ones are not kept for the next reader: nothing tells when the last one had it. */
const MAX_KEPT_CHARS = 65_536;

/**
 * The entry that was sent last, encoded: every reader that keeps up is given the same object, one
 * after the other.
 */
let latest: Encoded | undefined;

interface Encoded {
  entry: Entry;
  text: string;
  frame: Buffer;
}

/**
 * Sends an entry as a `streamData` event of namespace `/events`: what `socket.emit` does, without encoding it
 * once more for each reader and once more for the WebSocket, which took 8 % of the CPU of a token
 * (`npm run bench`, 500x40). To a client that keeps up it goes past engine.io, whose buffer and events
 * took 7 % more. To others it goes as `wsPreEncodedFrame`, which is how Socket.IO's own in-memory adapter
 * does it; polling, and a WebSocket with compression, take the text.
 * @param onTaken called when the connection has taken it
 */
export function sendRecord(
  connection: Connection,
  gate: SocketGate,
  entry: Entry,
  renderer: RecordRenderer,
  onTaken?: () => void,
): void {
  const encoded = latest?.entry === entry ? latest : encode(entry, renderer);
  const { text, frame } = encoded;
  latest = text.length <= MAX_KEPT_CHARS ? encoded : undefined;
  const straight = gate.straightFor(frame.length);
  if (straight !== undefined) straight.write(frame, ifTaken(straight, onTaken));
  else {
    const options = { wsPreEncodedFrame: [frame], compress: false };
    connection.write(text, options, onTaken);
  }
}

function encode(entry: Entry, renderer: RecordRenderer): Encoded {
  const text = `2/events,["streamData",${JSON.stringify(renderer.render(entry))}]`;
  return { entry, text, frame: textFrame(text) };
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
