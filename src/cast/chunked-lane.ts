import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

const CR = 0x0d;
const LF = 0x0a;
/** Digits of a chunk's size: 256 MiB. */
const MAX_SIZE_DIGITS = 7;

/**
 * One upstream connection's bytes on their way to node:http, which reads whatever is fed to the socket
 * as `data`. Only the chunks of a chunked body (RFC 9112, section 7.1) go past its parser, straight
 * into the response: the parser's call from C++ for each of them is 13 % of the CPU of a token
 * (`docs/performance.md`). Anything but a plain chunk is left to the parser, which stands before
 * the size of a chunk then: the last chunk and the trailers, an extension, a size that is none. So
 * node:http alone says how an answer ends and what becomes of its connection.
 */
export class ChunkedLane {
  /** What comes next; `rest` is all that is the parser's, until the next answer. */
  private next: 'head' | 'size' | 'data' | 'CR' | 'LF' | 'rest' = 'head';
  /** How much of the CRLF CRLF behind a head was read. */
  private headEnd = 0;
  private digits = 0;
  /** The bytes of the chunk that are still to come. */
  private left = 0;
  private answer: IncomingMessage | undefined;

  constructor(private readonly socket: Socket) {}

  /** A request was put on the connection: a head comes. */
  expectHead(): void {
    this.next = 'head';
    this.headEnd = 0;
    this.answer = undefined;
  }

  /** To be called while node:http tells of the answer: the bytes behind its head are its body. */
  expectBody(answer: IncomingMessage): void {
    this.answer = answer;
  }

  /** @param bytes may be overwritten after the call */
  read(bytes: Buffer): void {
    for (let at = 0; at < bytes.length && !this.socket.destroyed;) at = this.step(bytes, at);
  }

  /** @returns where to read on */
  private step(bytes: Buffer, at: number): number {
    switch (this.next) {
      case 'head':
        return this.head(bytes, at);
      case 'size':
        return this.size(bytes, at);
      case 'data':
        return this.data(bytes, at);
      case 'CR':
        return this.expect(CR, bytes, at, 'LF');
      case 'LF':
        return this.expect(LF, bytes, at, this.left > 0 ? 'data' : 'size');
      case 'rest':
        return this.parse(bytes, at, bytes.length);
      default:
        return this.next satisfies never;
    }
  }

  private parse(bytes: Buffer, start: number, end: number): number {
    this.socket.emit('data', bytes.subarray(start, end));
    return end;
  }

  /** The parser gets a head to its last byte and no further, so that both stand at the body. */
  private head(bytes: Buffer, start: number): number {
    let at = start;
    while (at < bytes.length && this.headEnd < 4) {
      const wanted = this.headEnd % 2 === 0 ? CR : LF;
      if (bytes[at] === wanted) this.headEnd++;
      else this.headEnd = bytes[at] === CR ? 1 : 0;
      at++;
    }
    this.parse(bytes, start, at);
    const isWhole = this.headEnd === 4;
    // Behind an informational head (1xx) comes another one.
    if (isWhole) this.headEnd = 0;
    if (this.answer === undefined) return at;
    this.next = isWhole && isChunked(this.answer) ? 'size' : 'rest';
    return at;
  }

  private size(bytes: Buffer, at: number): number {
    const digit = hexDigit(bytes[at]);
    if (digit !== undefined && this.digits < MAX_SIZE_DIGITS) {
      this.left = this.left * 16 + digit;
      this.digits++;
      return at + 1;
    }
    if (bytes[at] === CR && this.left > 0) {
      this.digits = 0;
      this.next = 'LF';
      return at + 1;
    }
    const said = this.digits === 0 ? '' : this.left.toString(16).padStart(this.digits, '0');
    this.digits = this.left = 0;
    this.next = 'rest';
    if (said !== '') this.socket.emit('data', Buffer.from(said, 'latin1'));
    return at;
  }

  private data(bytes: Buffer, start: number): number {
    const end = Math.min(bytes.length, start + this.left);
    this.left -= end - start;
    if (this.left === 0) this.next = 'CR';
    // The bytes are overwritten by the next read.
    this.deliver(Buffer.from(bytes.subarray(start, end)));
    return end;
  }

  /** What `push` does where somebody reads, and waits for nothing else, without its detour. */
  private deliver(bytes: Buffer): void {
    const { answer } = this;
    if (answer === undefined) return;
    if (answer.readableFlowing === true && answer.readableLength === 0) answer.emit('data', bytes);
    else if (!answer.push(bytes)) this.socket.pause();
  }

  private expect(byte: number, bytes: Buffer, at: number, then: 'LF' | 'data' | 'size'): number {
    if (bytes[at] === byte) this.next = then;
    else this.socket.destroy(new Error('a chunk that does not end where it says'));
    return at + 1;
  }
}

/** Whether chunks follow the head, as far as node:http has read it. */
function isChunked({ complete, httpVersion, headers }: IncomingMessage): boolean {
  return !complete && httpVersion === '1.1' && headers['transfer-encoding'] === 'chunked';
}

function hexDigit(byte = 0): number | undefined {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : undefined;
}
