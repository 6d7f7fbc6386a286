import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

const CR = 0x0d;
const LF = 0x0a;
/** Digits of a chunk's size: 256 MiB. */
const MAX_SIZE_DIGITS = 7;

/**
 * One upstream connection's bytes on their way to node:http, which reads whatever is fed to the socket
 * as `data`. Only the chunks of a chunked body (RFC 9112, section 7.1) go past its parser, which calls
 * back from C++ for each, straight into the response: 13 % less CPU a token, with the one read buffer
 * of {@link StreamingAgent} (`docs/performance.md`). Anything but a plain chunk is left to the parser,
 * which stands before the size of a chunk then: the last chunk and the trailers, an extension, a size
 * that is none. So node:http says how an answer ends; only a chunk that does not end where it says is
 * judged here.
 */
export class ChunkLane {
  /** What comes next; `rest` is all that is the parser's, until the next answer. */
  private next: 'head' | 'size' | 'data' | 'CR' | 'LF' | 'rest' = 'head';
  /** What of a head's last line, which is blank, was read. */
  private blank: 'nothing' | 'line begins' | 'CR' = 'nothing';
  private digits = 0;
  /** Where in the bytes of this read the chunks stand that the answer has not got yet. */
  private from = 0;
  private to = 0;
  /** The bytes of the chunk that are still to come. */
  private left = 0;
  private answer: IncomingMessage | undefined;

  constructor(private readonly socket: Socket) {}

  /** A request was put on the connection: a head comes. */
  expectHead(): void {
    this.next = 'head';
    this.blank = 'nothing';
  }

  /** To be called while node:http tells of the answer: the bytes behind its head are its body. */
  expectBody(answer: IncomingMessage): void {
    this.answer = answer;
  }

  /** @param bytes are overwritten: in the call where they hold several chunks, and may be after it */
  read(bytes: Buffer): void {
    for (let at = 0; at < bytes.length && !this.socket.destroyed;) at = this.step(bytes, at);
    this.deliver(bytes);
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
    this.deliver(bytes);
    this.socket.emit('data', bytes.subarray(start, end));
    return end;
  }

  /**
   * The parser gets a head to its last byte and no further, so that both stand at the body. Some
   * parsers take a line feed alone for the end of a line, so it is one here.
   */
  private head(bytes: Buffer, start: number): number {
    let at = start;
    let isWhole = false;
    while (at < bytes.length && !isWhole) {
      const byte = bytes[at++];
      isWhole = byte === LF && this.blank !== 'nothing';
      if (byte === LF) this.blank = isWhole ? 'nothing' : 'line begins';
      else this.blank = byte === CR && this.blank === 'line begins' ? 'CR' : 'nothing';
    }
    this.parse(bytes, start, at);
    // Behind an informational head (1xx) comes another one.
    if (this.answer === undefined) return at;
    if (isWhole && isChunked(this.answer)) this.next = 'size';
    else this.leave(bytes);
    return at;
  }

  /** The rest of the answer is the parser's; an idle connection keeps nothing of it alive. */
  private leave(bytes: Buffer): void {
    this.deliver(bytes);
    this.next = 'rest';
    this.answer = undefined;
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
    this.leave(bytes);
    if (said !== '') this.socket.emit('data', Buffer.from(said, 'latin1'));
    return at;
  }

  private data(bytes: Buffer, start: number): number {
    const end = Math.min(bytes.length, start + this.left);
    this.left -= end - start;
    if (this.left === 0) this.next = 'CR';
    if (this.from === this.to) this.from = this.to = start;
    else bytes.copyWithin(this.to, start, end);
    this.to += end - start;
    return end;
  }

  /**
   * Gives the answer what was gathered, all at once. `push` would tell a reader who is not behind in
   * the same way, if no encoding is set.
   */
  private deliver(bytes: Buffer): void {
    const { answer, from, to } = this;
    if (from === to || answer === undefined) return;
    // A copy: the next read overwrites the bytes.
    const chunks = Buffer.allocUnsafe(to - from);
    bytes.copy(chunks, 0, from, to);
    this.from = this.to = 0;
    const isRead = answer.readableFlowing === true && answer.readableLength === 0;
    if (isRead && answer.readableEncoding === null) answer.emit('data', chunks);
    else if (!answer.push(chunks)) this.socket.pause();
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
