import { get, type IncomingMessage } from 'node:http';
import { createParser } from 'eventsource-parser';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import type { Refusal } from '../../src/protocol/refusal.js';
import type { StreamRecord } from '../../src/protocol/records.js';
import type { OracleReader } from './oracle.js';
import { shortAuth, shortBearer } from './short-tokens.js';

type Ack = { ok: true; generationId?: string } | { ok: false; error: Refusal };

/**
 * When it gives up a handshake, in milliseconds. A plain client does not hear of a cut before the first
 * packet; on a busy machine a handshake takes seconds, and one that is always given up never ends.
 */
const HANDSHAKE_MS = 5_000;
/** When it tries again after it was refused, in milliseconds. */
const AGAIN_MS = 20;

/**
 * A client that loses nothing on a bad network: it connects again by itself, asks again under the
 * same idempotency key as long as it has no answer, and then joins after its last applied record.
 */
export class ResumingClient {
  generationId: string | undefined;
  /** Times that it had a connection. */
  connects = 0;
  /** Refusals; a good server gives none. */
  readonly refusals: Refusal[] = [];
  readonly socket: Socket;
  private joining = false;
  private isClosed = false;

  /**
   * @param reader applies the records by the rule of the protocol
   * @param request what `generate` is asked with
   */
  constructor(
    url: string,
    readonly reader: OracleReader,
    private readonly request: { prompt: string; idempotencyKey: string },
    options: Partial<ManagerOptions & SocketOptions> = {},
  ) {
    this.socket = io(`${url}/events`, {
      forceNew: true,
      reconnectionDelay: 5,
      reconnectionDelayMax: 50,
      timeout: HANDSHAKE_MS,
      ...shortAuth(),
      ...options,
    });
    this.socket.on('connect', () => {
      this.connects++;
      this.joining = false;
      this.resume();
    });
    // Socket.IO does not try again where it was refused (its token was over before it came), and not
    // always where an attempt after that fails.
    this.socket.on('connect_error', () => {
      setTimeout(() => !this.isClosed && this.socket.connect(), AGAIN_MS);
    });
    this.socket.on('streamData', (record: StreamRecord) => {
      // A record can come before the ack of its own request only when the ack was lost.
      if (reader.receive(record) === 'gap') this.resume();
    });
  }

  get isDone(): boolean {
    return this.reader.terminal !== undefined;
  }

  close(): void {
    this.isClosed = true;
    this.socket.disconnect();
  }

  private resume(): void {
    if (this.isDone || this.joining) return;
    this.joining = true;
    const { generationId, reader, request, socket } = this;
    const answered = (ack: Ack): void => {
      this.joining = false;
      if (!ack.ok) this.refusals.push(ack.error);
      else this.generationId ??= ack.generationId;
    };
    if (generationId === undefined) socket.emit('generate', request, answered);
    else socket.emit('join', { generationId, after: reader.last }, answered);
  }
}

/** Reads one `/events` response to its end, as `EventSource` does, and keeps all of it. */
export class SseReader {
  readonly records: StreamRecord[] = [];
  readonly ids: (string | undefined)[] = [];
  /** Names of events; a good server gives none. */
  readonly events: string[] = [];
  readonly comments: string[] = [];
  /** Resolves when the response is over: true if it ended as it should, false if it broke off. */
  readonly over: Promise<boolean>;

  private constructor(
    readonly response: IncomingMessage,
    onRecord: (record: StreamRecord) => void,
  ) {
    const parser = createParser({
      onEvent: ({ id, event, data }) => {
        const record = JSON.parse(data) as StreamRecord;
        this.ids.push(id);
        if (event !== undefined) this.events.push(event);
        this.records.push(record);
        onRecord(record);
      },
      onComment: (comment) => this.comments.push(comment),
    });
    response.setEncoding('utf8').on('data', (text: string) => parser.feed(text));
    response.on('error', () => undefined);
    this.over = new Promise((resolve) => {
      response.once('close', () => resolve(response.complete));
    });
  }

  /** @param url of the REST server, or of a proxy before it */
  static async open(
    url: string,
    generationId: string,
    lastEventId?: number | string,
    onRecord: (record: StreamRecord) => void = () => undefined,
  ): Promise<SseReader> {
    const headers = {
      ...(lastEventId !== undefined && { 'Last-Event-ID': String(lastEventId) }),
      ...(await shortBearer()),
    };
    return new Promise((resolve, reject) => {
      // A connection of its own: one that is kept alive would count as left behind.
      get(`${url}/llm/generations/${generationId}/events`, { agent: false, headers })
        .once('response', (response) => resolve(new SseReader(response, onRecord)))
        .once('error', reject);
    });
  }

  close(): void {
    this.response.destroy();
  }
}
