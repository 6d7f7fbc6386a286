import { RawPeer, type Victim } from './victim.js';
import { until } from './until.js';

const PATH = '/socket.io/?EIO=4&transport=';

/** An Engine.IO session over polling, in the hands of an attacker: any payload, and no GET unless asked. */
export class RawPolling {
  private constructor(
    private readonly url: string,
    readonly sid: string,
  ) {}

  static async open({ socketUrl }: Victim): Promise<RawPolling> {
    const answer = await fetch(`${socketUrl}${PATH}polling`);
    const { sid } = JSON.parse((await answer.text()).slice(1)) as { sid: string };
    return new RawPolling(`${socketUrl}${PATH}polling&sid=${sid}`, sid);
  }

  /** @returns the status; 0 where the connection was cut */
  async post(payload: string): Promise<number> {
    return fetch(this.url, { method: 'POST', body: payload }).then(
      ({ status }) => status,
      () => 0,
    );
  }

  /** @returns what waits for the client, or nothing where the session is gone */
  async poll(): Promise<string> {
    const answer = await fetch(this.url).catch(() => undefined);
    return answer?.ok === true ? answer.text() : '';
  }

  async isGone(): Promise<boolean> {
    return (
      (await fetch(this.url, { method: 'POST', body: '3' }).catch(() => undefined))?.ok !== true
    );
  }
}

/** A WebSocket in the hands of an attacker: any frame. */
export class RawWebSocket {
  private constructor(readonly peer: RawPeer) {}

  /** @param query more of it, such as `&sid=…` */
  static async open(victim: Victim, query = ''): Promise<RawWebSocket> {
    const peer = await victim.connect(victim.socketUrl);
    await peer.send(
      `GET ${PATH}websocket${query} HTTP/1.1\r\nHost: localhost\r\n` +
        'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    await until(() => peer.said.includes('\r\n\r\n'));
    return new RawWebSocket(peer);
  }

  /** Connected to `/events`. */
  static async joined(victim: Victim): Promise<RawWebSocket> {
    const socket = await RawWebSocket.open(victim);
    await socket.peer.send(frame('40/events,'));
    await until(() => socket.peer.said.includes('40/events,{'));
    return socket;
  }

  send(...messages: (string | Buffer)[]): Promise<void> {
    return this.peer.send(Buffer.concat(messages.map((message) => frame(message))));
  }
}

/** One masked WebSocket frame (RFC 6455, section 5.2); the mask is zero. */
export function frame(
  message: string | Buffer,
  opcode = typeof message === 'string' ? 1 : 2,
): Buffer {
  const payload = Buffer.from(message);
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 6 : length < 65_536 ? 8 : 14);
  head[0] = 0x80 + opcode;
  if (length < 126) head[1] = 0x80 + length;
  else if (length < 65_536) {
    head[1] = 0xfe;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 0xff;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, payload]);
}
