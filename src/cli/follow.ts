import type { GenerationView, Started } from '../protocol/answers.js';
import type { StreamRecord } from '../protocol/records.js';
import type { TerminalRecord } from '../protocol/terminal-record.js';
import { CommandError, EXIT } from './exit.js';
import { failure, type ServerClient } from './server-client.js';
import { isLive, StatusLine } from './terminal.js';

type Completed = Extract<TerminalRecord, { state: 'completed' }>;
/** Where a generation is that has not begun to answer. */
type Waiting = Pick<Started, 'state' | 'position'>;

/** How often the place in the line is asked for, while a person waits. */
const ASK_MS = 500;

/**
 * Starts a generation and reads it to its end. A terminal shows what it waits for until its first
 * record. Whatever ends this early (Ctrl-C, a closed pipe, an error) cancels the generation too.
 * @param onRecord gets every record, the terminal one too
 * @throws CommandError unless it completed
 */
export async function follow(
  server: ServerClient,
  path: string,
  request: object,
  signal: AbortSignal,
  onRecord: (record: StreamRecord) => Promise<void>,
): Promise<Completed> {
  const line = new WaitingLine(server, signal);
  /** What there is to cancel. */
  let running: string | undefined;
  try {
    const started = await server.start(path, request);
    running = started.generationId;
    signal.throwIfAborted();
    line.watch(started);
    for await (const record of server.records(running)) {
      line.stop();
      if ('state' in record) running = undefined;
      await onRecord(record);
      if (!('state' in record)) {
        signal.throwIfAborted();
        continue;
      }
      if (record.state === 'completed') return record;
      if (record.state === 'cancelled') {
        throw new CommandError(`cancelled (${record.reason})`, EXIT.cancelled);
      }
      throw failure(record.code, record.detail, record.retryable);
    }
    throw new CommandError('The answer has no end.', EXIT.failed);
  } catch (error) {
    const isTold = running === undefined || (await server.cancel(running));
    line.stop();
    if (!isTold) console.error('llm-cast: the server could not be told to stop; it may go on.');
    // The signal's own error, where it only made something else fail.
    signal.throwIfAborted();
    throw error;
  }
}

/** Says on stderr where a generation is, until it has something to say itself. */
class WaitingLine {
  private readonly line = new StatusLine(process.stderr);
  private readonly since = Date.now();
  private timer: NodeJS.Timeout | undefined;
  private isOver = !isLive(process.stderr);

  constructor(
    private readonly server: ServerClient,
    signal: AbortSignal,
  ) {
    if (this.isOver) return;
    this.line.show('asking');
    signal.addEventListener('abort', () => {
      if (!this.isOver) this.line.show('cancelling; Ctrl-C again quits at once');
      this.isOver = true;
    });
  }

  watch(started: Started): void {
    if (this.isOver) return;
    this.show(started.model, started);
    this.timer = setInterval(() => void this.ask(started), ASK_MS);
  }

  stop(): void {
    this.isOver = true;
    clearInterval(this.timer);
    this.line.clear();
  }

  private async ask({ generationId, model }: Started): Promise<void> {
    // An answer that is missing changes nothing: the records tell how it goes on.
    const view = await this.server.view(generationId).catch(() => undefined);
    if (view !== undefined && !this.isOver) this.show(model, view);
  }

  private show(
    model: string,
    { state, position }: Waiting | (GenerationView & Partial<Waiting>),
  ): void {
    const seconds = Math.floor((Date.now() - this.since) / 1000);
    const place = position === undefined ? '' : `, position ${position}`;
    const what = state === 'queued' ? `waiting in line${place}` : `${model} is ${state}`;
    this.line.show(`${what}, ${seconds} s`);
  }
}
