import { setTimeout as sleep } from 'node:timers/promises';
import { io, type Socket } from 'socket.io-client';
import type { Refusal } from '../../src/protocol/refusal.js';
import type { StreamRecord } from '../../src/protocol/records.js';
import type { StreamState } from '../../src/protocol/stream-state.js';
import type { TerminalRecord } from '../../src/protocol/terminal-record.js';
import type { OracleReader } from './oracle.js';
import { PATIENCE_MS, until } from './until.js';

/** Before a `join` that was refused for now is asked again, in milliseconds. */
const AGAIN_MS = 200;

type Ack = { ok: true; generationId: string; state: string } | { ok: false; error: Refusal };

/**
 * A client of a cluster that reads many generations, each by the rule of the protocol. It moves from
 * node to node, and joins there what it has not to the end, after its last applied record.
 */
export class OracleClient {
  private readonly readers = new Map<string, OracleReader>();
  private readonly joining = new Set<string>();
  private socket: Socket;
  /** What a good cluster does not give. */
  readonly refusals: Refusal[] = [];
  readonly states: StreamState[] = [];

  /** @param url of Socket.IO, without the namespace: of one node, or of a balancer before several */
  constructor(url: string) {
    this.socket = this.open(url);
  }

  static async connect(url: string): Promise<OracleClient> {
    const client = new OracleClient(url);
    await until(() => client.socket.connected);
    return client;
  }

  get id(): string {
    return this.socket.id ?? '';
  }

  /**
   * Asks for an answer and reads it from its first record on.
   * @returns its id
   * @throws Error with `retryable`, where it is refused; without it where the connection is lost
   */
  async ask(
    reader: OracleReader,
    prompt: string,
    idempotencyKey = `${Math.random()}`,
  ): Promise<string> {
    const request = { prompt, idempotencyKey };
    const ack = (await this.socket.timeout(PATIENCE_MS).emitWithAck('generate', request)) as Ack;
    if (!ack.ok) {
      const { code, message, retryable } = ack.error;
      throw Object.assign(new Error(`${code}: ${message}`), { retryable });
    }
    this.readers.set(ack.generationId, reader);
    // Records may have come before this line ran.
    for (const record of this.early.splice(0)) this.receive(record);
    return ack.generationId;
  }

  /** Reads what somebody else has asked for. */
  async read(id: string, reader: OracleReader): Promise<void> {
    this.readers.set(id, reader);
    await this.join(id);
  }

  /** It was read to its end, and is judged. */
  forget(id: string): void {
    this.readers.delete(id);
  }

  /** Goes on at another node. */
  async move(url: string): Promise<void> {
    this.close();
    this.joining.clear();
    this.socket = this.open(url);
    await until(() => this.socket.connected);
  }

  /** The last record of a generation; undefined while it goes on. */
  terminal(id: string): TerminalRecord | undefined {
    return this.readers.get(id)?.terminal;
  }

  /** Characters of what it has read of a generation. */
  chars(id: string): number {
    return (
      this.readers
        .get(id)
        ?.pieces.map(([, content]) => content)
        .join('').length ?? 0
    );
  }

  async ended(id: string): Promise<TerminalRecord> {
    await until(() => this.terminal(id) !== undefined);
    return this.terminal(id) as TerminalRecord;
  }

  close(): void {
    this.socket.disconnect();
  }

  private readonly early: StreamRecord[] = [];

  private open(url: string): Socket {
    const socket = io(`${url}/events`, {
      forceNew: true,
      transports: ['websocket'],
      reconnectionDelay: 50,
      reconnectionDelayMax: 500,
    });
    socket.on('connect', () => {
      this.joining.clear();
      for (const id of this.readers.keys()) void this.join(id);
    });
    socket.on('streamData', (record: StreamRecord) => this.receive(record));
    socket.on('streamState', (state: StreamState) => this.states.push(state));
    return socket;
  }

  private receive(record: StreamRecord): void {
    const id = record.generationId;
    const reader = this.readers.get(id);
    if (reader === undefined) this.early.push(record);
    else if (reader.receive(record) === 'gap') void this.join(id);
  }

  private async join(id: string): Promise<void> {
    const reader = this.readers.get(id);
    if (reader === undefined || reader.terminal !== undefined || this.joining.has(id)) return;
    this.joining.add(id);
    const asked = { generationId: id, after: reader.last };
    const { socket } = this;
    const ack = (await socket
      .timeout(PATIENCE_MS)
      .emitWithAck('join', asked)
      .catch(() => undefined)) as Ack | undefined;
    this.joining.delete(id);
    if (ack?.ok !== false) return;
    this.refusals.push(ack.error);
    if (!ack.error.retryable) return;
    await sleep(AGAIN_MS);
    if (socket === this.socket && socket.connected) await this.join(id);
  }
}
