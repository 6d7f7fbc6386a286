import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import type { Refusal } from '../../src/protocol/refusal.js';
import type { StreamRecord } from '../../src/protocol/records.js';
import type { StreamState } from '../../src/protocol/stream-state.js';
import type { TerminalRecord } from '../../src/protocol/terminal-record.js';
import { keepRenewing, shortAuth } from './short-tokens.js';
import { PATIENCE_MS, until } from './until.js';

type Accepted = { ok: true; generationId: string; state: string };
type Ack = Accepted | { ok: false; error: Refusal };

/** A real Socket.IO client that keeps everything it was sent. */
export class Client {
  readonly records: StreamRecord[] = [];
  readonly states: StreamState[] = [];
  readonly exceptions: Refusal[] = [];
  /** Everything in the order of arrival, the acks of `ask` too. */
  readonly log: { event: string; payload: unknown }[] = [];

  private constructor(
    readonly socket: Socket,
    private readonly stopRenewing: () => void,
  ) {
    const keep =
      <T>(event: string, list: T[]) =>
      (payload: T): void => {
        list.push(payload);
        this.log.push({ event, payload });
      };
    socket.on('streamData', keep('streamData', this.records));
    socket.on('streamState', keep('streamState', this.states));
    socket.on('exception', keep('exception', this.exceptions));
  }

  /** @param socketUrl as `RunningServer.socketUrl`, without the namespace */
  static async connect(
    socketUrl: string,
    options: Partial<ManagerOptions & SocketOptions> = {},
  ): Promise<Client> {
    const auth = shortAuth(options.auth);
    const socket = io(`${socketUrl}/events`, { forceNew: true, ...options, ...auth });
    const client = new Client(socket, keepRenewing(socket, options.auth));
    try {
      await client.until(() => client.socket.connected);
    } catch (error) {
      // It would go on trying, and keep the test run alive.
      client.close();
      throw error;
    }
    return client;
  }

  get id(): string {
    return this.socket.id ?? '';
  }

  /** Sends a request and resolves with its ack. */
  async ask(event: string, request: unknown): Promise<Ack> {
    const answer = (await this.socket.timeout(PATIENCE_MS).emitWithAck(event, request)) as Ack;
    this.log.push({ event: 'ack', payload: answer });
    return answer;
  }

  /** As `ask`, for what must not be refused. */
  async accepted(event: string, request: unknown): Promise<Accepted> {
    const answer = await this.ask(event, request);
    if (!answer.ok) throw new Error(`${answer.error.code}: ${answer.error.message}`);
    return answer;
  }

  of(generationId: string): StreamRecord[] {
    return this.records.filter((record) => record.generationId === generationId);
  }

  /** The answer text as a client sees it. */
  text(generationId: string): string {
    return this.of(generationId).map(textOf).join('');
  }

  /** Resolves with the terminal record. Fails after `PATIENCE_MS`. */
  async ended(generationId: string): Promise<TerminalRecord> {
    await this.until(() => this.of(generationId).some((record) => 'state' in record));
    return this.of(generationId).find((record) => 'state' in record) as TerminalRecord;
  }

  /** Resolves when the condition holds. Fails after `ms`. */
  until(condition: () => boolean, ms = PATIENCE_MS): Promise<void> {
    return until(condition, ms);
  }

  close(): void {
    this.stopRenewing();
    this.socket.disconnect();
  }
}

/** The answer text of one record. */
export function textOf(record: StreamRecord): string {
  if ('response' in record) return record.response;
  if ('message' in record && typeof record.message === 'object') return record.message.content;
  return '';
}
