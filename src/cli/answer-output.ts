import { createHash } from 'node:crypto';
import type { StreamRecord } from '../protocol/records.js';
import type { TerminalRecord } from '../protocol/terminal-record.js';
import { CommandError, EXIT } from './exit.js';
import { dim, printable, write } from './terminal.js';

/** Where the records of an answer go. */
export interface Output {
  /** @throws the signal's reason */
  record(record: StreamRecord): Promise<void>;
  /** The answer is over, however it ended. */
  end(): void;
  /** The answer so far. */
  readonly text: string;
}

type Chunk = Exclude<StreamRecord, TerminalRecord>;

/** For people: the answer on stdout; thinking and remarks on stderr, for a terminal only. */
export class TextOutput implements Output {
  text = '';
  private readonly hash = createHash('sha256');
  private last: 'nothing' | 'thinking' | 'answer' = 'nothing';
  private endsLine = true;

  constructor(private readonly signal: AbortSignal) {}

  async record(record: StreamRecord): Promise<void> {
    if ('state' in record) return this.finish(record);
    const { content, thinking = '', refusal = '' } = messageOf(record);
    await this.think(thinking);
    await this.say(content);
    if (refusal !== '')
      await write(process.stderr, printable(process.stderr, refusal), this.signal);
  }

  /** The shell's prompt begins on a line of its own. */
  end(): void {
    const stream = this.last === 'thinking' ? process.stderr : process.stdout;
    if (!this.endsLine && stream.isTTY) stream.write('\n');
    this.endsLine = true;
  }

  private async say(text: string): Promise<void> {
    if (text === '') return;
    this.hash.update(text);
    this.text += text;
    if (this.last === 'thinking') process.stderr.write(this.endsLine ? '\n' : '\n\n');
    this.last = 'answer';
    this.endsLine = text.endsWith('\n');
    await write(process.stdout, printable(process.stdout, text), this.signal);
  }

  private async think(text: string): Promise<void> {
    if (text === '' || !process.stderr.isTTY) return;
    if (this.last === 'answer') this.end();
    this.last = 'thinking';
    this.endsLine = text.endsWith('\n');
    const shown = printable(process.stderr, text);
    await write(process.stderr, dim(process.stderr, shown), this.signal);
  }

  private finish(record: TerminalRecord): void {
    if (record.state !== 'completed') return;
    if (record.sha256 !== this.hash.digest('hex')) {
      throw new CommandError('The answer is not what the server sent.', EXIT.failed);
    }
    if (record.finishReason === 'stop') return;
    this.end();
    console.error(`llm-cast: the answer ended early: ${record.finishReason}`);
  }
}

/** For programs: each record as it came, one a line. */
export class JsonOutput implements Output {
  text = '';

  constructor(private readonly signal: AbortSignal) {}

  async record(record: StreamRecord): Promise<void> {
    if (!('state' in record)) this.text += messageOf(record).content;
    await write(process.stdout, `${JSON.stringify(record)}\n`, this.signal);
  }

  end(): void {}
}

function messageOf(chunk: Chunk): { content: string; thinking?: string; refusal?: string } {
  return 'message' in chunk ? chunk.message : { content: '' };
}
