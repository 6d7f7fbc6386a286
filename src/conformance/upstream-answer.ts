import type { ServerResponse } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { Call, Reason, Wire } from './wire.js';

/** Between two halves of a piece, so that they come in two reads; in milliseconds. */
const BETWEEN_HALVES_MS = 5;

/** One answer of the scripted upstream, which a point of the examination gives step by step. */
export class UpstreamAnswer {
  /** Resolves when the server under test has let go of the request, or has read its answer. */
  readonly closed: Promise<void>;
  private said = '';
  private readonly made: Call[] = [];

  constructor(
    private readonly response: ServerResponse,
    private readonly wire: Wire,
    private readonly isStreamed: boolean,
  ) {
    this.closed = new Promise((resolve) => response.once('close', resolve));
    response.on('error', () => undefined);
  }

  /** Says text. Where it has characters of several bytes, one of them is cut in two. */
  async text(piece: string): Promise<void> {
    this.said += piece;
    if (!this.isStreamed) return;
    const bytes = Buffer.from(this.wire.text(piece));
    const cut = bytes.findIndex((byte) => byte > 0x7f) + 1;
    this.write(bytes.subarray(0, cut));
    if (cut > 0) await pause(BETWEEN_HALVES_MS);
    this.write(bytes.subarray(cut));
  }

  async toolCalls(calls: readonly Call[]): Promise<void> {
    this.made.push(...calls);
    if (!this.isStreamed) return;
    for (const piece of this.wire.calls(calls)) {
      this.write(piece);
      await pause(BETWEEN_HALVES_MS);
    }
  }

  /** The proper end. */
  done(reason: Reason = 'stop'): void {
    if (this.isStreamed) this.write(this.wire.done(reason));
    else this.write(this.wire.whole(this.said, this.made, reason));
    this.response.end();
  }

  /** An error in the stream, as the protocol writes it. */
  fail(message: string): void {
    this.write(this.wire.error(message));
    this.response.end();
  }

  /** An error in place of an answer. */
  refuse(status: number, message: string): void {
    const { contentType } = this.wire;
    const isOpenAi = contentType === 'text/event-stream';
    this.response.writeHead(status, { 'content-type': 'application/json' });
    this.response.end(JSON.stringify({ error: isOpenAi ? { message } : message }));
  }

  /** A clean end of the connection, without the protocol's own. */
  endEarly(): void {
    if (!this.isStreamed) this.write('{"model":');
    this.response.end();
  }

  /** The connection dies in the midst of the answer. */
  cut(): void {
    if (!this.isStreamed) this.write('{"model":');
    // What was written has left by then.
    setTimeout(() => this.response.destroy(), BETWEEN_HALVES_MS);
  }

  private write(bytes: string | Buffer): void {
    if (this.response.destroyed || bytes.length === 0) return;
    if (!this.response.headersSent) {
      const contentType = this.isStreamed ? this.wire.contentType : 'application/json';
      this.response.writeHead(200, { 'content-type': contentType });
    }
    this.response.write(bytes);
  }
}
