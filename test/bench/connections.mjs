// Connections of the load client, with as little work a message as Node can do, so that the load
// generator is not what is measured.
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

/** What one read brings at most; used for each read of each connection. */
const buffer = Buffer.allocUnsafeSlow(65_536);
const NOTHING = Buffer.alloc(0);
const HEAD_END = '\r\n\r\n';
/** RFC 6455, section 5.2: the one frame that is expected, and what is heard beside it. */
const TEXT = 0x81;
const CLOSE = 0x88;

/**
 * Sends a request with its body, reads the head of the answer, then hands on the bytes behind it.
 * @returns {import('node:net').Socket}
 */
function open(url, request, { onOpen, onBytes, onError }) {
  const { hostname, port } = new URL(url);
  let head = '';
  const readHead = (bytes) => {
    head += bytes.toString('latin1');
    const end = head.indexOf(HEAD_END);
    if (end === -1) return;
    take = onBytes;
    onOpen(head.slice(0, end));
    const rest = Buffer.from(head.slice(end + HEAD_END.length), 'latin1');
    if (rest.length > 0) onBytes(rest);
  };
  let take = readHead;
  const callback = (size) => {
    take(buffer.subarray(0, size));
    return true;
  };
  const onread = { buffer, callback };
  const socket = connect({ host: hostname, port: Number(port), noDelay: true, onread });
  socket.on('error', onError);
  socket.write(request);
  return socket;
}

/** A WebSocket that takes whole text messages and nothing else. */
export class WebSocketConnection {
  /** The beginning of a frame whose end has not come yet. */
  #rest = NOTHING;
  #socket;

  /** @param {(text: string) => void} onText called for each message */
  constructor(url, onText) {
    this.url = url;
    this.onText = onText;
  }

  /** @returns {Promise<void>} when the server has accepted it */
  connect() {
    const { host, pathname, search } = new URL(this.url);
    const lines = [
      `GET ${pathname}${search} HTTP/1.1`,
      `Host: ${host}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    ];
    return new Promise((resolve, reject) => {
      this.#socket = open(this.url, lines.join('\r\n') + HEAD_END, {
        onOpen: (head) =>
          head.startsWith('HTTP/1.1 101 ') ? resolve() : reject(new Error(head.split('\r\n')[0])),
        onBytes: (bytes) => this.#read(bytes),
        onError: reject,
      });
      this.#socket.once('close', () => reject(new Error('closed')));
    });
  }

  /** Masked, as a client must, with a mask that changes nothing. */
  send(text) {
    const payload = Buffer.from(text);
    const { length } = payload;
    if (length > 0xffff) throw new Error('too long for this client');
    const head = Buffer.alloc(length < 126 ? 6 : 8);
    head[0] = TEXT;
    head[1] = 0x80 | Math.min(length, 126);
    if (length >= 126) head.writeUInt16BE(length, 2);
    this.#socket.write(Buffer.concat([head, payload]));
  }

  /** Takes no byte any more, until `resume`. */
  pause() {
    this.#socket.pause();
  }

  resume() {
    this.#socket.resume();
  }

  /** No goodbye, and nothing that was on its way is heard. */
  terminate() {
    this.onText = () => undefined;
    this.#socket.destroy();
  }

  #read(read) {
    const bytes = this.#rest.length === 0 ? read : Buffer.concat([this.#rest, read]);
    let at = 0;
    for (let end = this.#frame(bytes, at); end !== undefined; end = this.#frame(bytes, at))
      at = end;
    this.#rest = at === bytes.length ? NOTHING : Buffer.from(bytes.subarray(at));
  }

  /** @returns {number | undefined} where the frame ends, if all of it is there */
  #frame(bytes, start) {
    if (bytes.length < start + 2) return undefined;
    let payload = start + 2;
    let length = bytes[start + 1];
    if (length === 126) {
      payload += 2;
      if (bytes.length < payload) return undefined;
      length = bytes.readUInt16BE(start + 2);
    } else if (length === 127) {
      payload += 8;
      if (bytes.length < payload) return undefined;
      length = Number(bytes.readBigUInt64BE(start + 2));
    }
    const end = payload + length;
    if (bytes.length < end) return undefined;
    if (bytes[start] === TEXT) this.onText(bytes.toString('utf8', payload, end));
    else if (bytes[start] !== CLOSE) throw new Error(`frame ${bytes[start]} is not expected`);
    return end;
  }
}

/** The lines of an answer to a POST. HTTP/1.0, because its answers have no chunks to take apart. */
export function readLines(url, body, { onLine, onError }) {
  let rest = '';
  const { host, pathname } = new URL(url);
  const head = [
    `POST ${pathname} HTTP/1.0`,
    `Host: ${host}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  open(url, head.join('\r\n') + HEAD_END + body, {
    onOpen: (status) => {
      if (!status.startsWith('HTTP/1.1 200 ')) onError(new Error(status.split('\r\n')[0]));
    },
    onBytes: (bytes) => {
      const lines = (rest + bytes.toString('latin1')).split('\n');
      rest = lines.pop();
      for (const line of lines) onLine(line);
    },
    onError,
  });
}
